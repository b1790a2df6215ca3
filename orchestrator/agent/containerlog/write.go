package containerlog

import (
	"errors"
	"io"
	"time"
)

// Options says what of a log is wanted and where it goes.
type Options struct {
	// Tail is how many of the last lines are wanted, -1 for all.
	Tail int64
	// Since leaves out what is older; the zero time leaves out nothing.
	Since time.Time
	// LimitBytes ends the output, perhaps within a line; 0 is no limit.
	LimitBytes int64
	// Timestamps puts its time before each line.
	Timestamps bool
	// Follow goes on until the container has ended.
	Follow bool
	// Stdout and Stderr may be the same writer; nil drops the stream.
	Stdout, Stderr io.Writer
}

// errLimit ends a read whose limit has been reached.
var errLimit = errors.New("limit of bytes reached")

// writer writes lines out as the options say.
type writer struct {
	o    Options
	left int64 // of LimitBytes
	// midLine says for each stream that its last line was partial.
	midLine map[Stream]bool
	stamp   []byte
}

func newWriter(o Options) *writer {
	return &writer{o: o, left: o.LimitBytes, midLine: map[Stream]bool{}}
}

// line writes one line. A line that is no log line is left out.
func (w *writer) line(b []byte) error {
	l, err := parseLine(b)
	if err != nil || l.time.Before(w.o.Since) {
		return nil //nolint:nilerr // such a line is for nobody
	}
	out := w.o.Stdout
	if l.stream == Stderr {
		out = w.o.Stderr
	}
	if out == nil {
		return nil
	}
	if w.o.Timestamps && !w.midLine[l.stream] {
		w.stamp = append(l.time.AppendFormat(w.stamp[:0], stampOut), ' ')
		if err := w.write(out, w.stamp); err != nil {
			return err
		}
	}
	w.midLine[l.stream] = l.partial
	return w.write(out, l.content)
}

func (w *writer) write(out io.Writer, b []byte) error {
	limited := w.o.LimitBytes > 0 && int64(len(b)) >= w.left
	if limited {
		b = b[:w.left]
	}
	n, err := out.Write(b)
	w.left -= int64(n)
	if err == nil && limited {
		err = errLimit
	}
	return err
}
