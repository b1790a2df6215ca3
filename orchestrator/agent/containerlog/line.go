// Package containerlog reads the log files that CRI runtimes write for
// containers, follows them over rotations, and rotates them.
package containerlog

import (
	"bytes"
	"fmt"
	"time"
)

// Stream names one of a container's outputs.
type Stream string

// The streams of a container.
const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
)

// stampOut is how times are shown: always nine digits, so that they line up.
const stampOut = "2006-01-02T15:04:05.000000000Z07:00"

// line is one line of a log file: "<time> <stream> <tags> <content>\n".
type line struct {
	time   time.Time
	stream Stream
	// partial says that the next line of the stream goes on with the content.
	partial bool
	// content ends in a newline unless it is partial; it aliases the input.
	content []byte
}

// parseLine takes a line with or without its newline apart.
func parseLine(b []byte) (line, error) {
	stamp, rest, ok := bytes.Cut(b, []byte(" "))
	if !ok {
		return line{}, fmt.Errorf("timestamp is not found in %q", shorten(b))
	}
	t, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return line{}, fmt.Errorf("unexpected timestamp format %q: %w", shorten(stamp), err)
	}
	stream, rest, ok := bytes.Cut(rest, []byte(" "))
	if !ok {
		return line{}, fmt.Errorf("stream type is not found in %q", shorten(b))
	}
	if s := Stream(stream); s != Stdout && s != Stderr {
		return line{}, fmt.Errorf("unexpected stream type %q", shorten(stream))
	}
	tags, content, ok := bytes.Cut(rest, []byte(" "))
	if !ok {
		return line{}, fmt.Errorf("log tag is not found in %q", shorten(b))
	}
	tag, _, _ := bytes.Cut(tags, []byte(":"))
	l := line{time: t, stream: Stream(stream), partial: string(tag) == "P", content: content}
	if l.partial {
		l.content = bytes.TrimSuffix(content, []byte("\n"))
	}
	return l, nil
}

func shorten(b []byte) []byte { return b[:min(len(b), 100)] }
