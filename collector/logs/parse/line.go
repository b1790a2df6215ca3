// Package parse reads the lines that container runtimes write to log files. The
// parsers are written by hand, allocate nothing per line, and leave the payload
// as it is, bytes that are not UTF-8 included: what to make of those is up to
// the store.
package parse

// Stream is where a container wrote a line.
type Stream uint8

// The streams. Anything that a runtime calls neither stdout nor stderr is
// Stdout; None is for files that know no streams, and for broken lines.
const (
	Stdout Stream = iota
	Stderr
	None
)

// String is the name on the wire, empty for None.
func (s Stream) String() string {
	switch s {
	case Stdout:
		return "stdout"
	case Stderr:
		return "stderr"
	}
	return ""
}

// Line is what a line of a log file says. Log refers to the parser's input or
// scratch memory and is valid until its next call.
type Line struct {
	// Time is when the line was written, in nanoseconds since the epoch.
	Time int64
	// Log is the payload without a newline.
	Log []byte
	// Stream is where it was written to.
	Stream Stream
	// Partial says that the next line of the same stream goes on with this one.
	Partial bool
}

// streamOf names a stream by its runtime's word for it.
func streamOf(name []byte) Stream {
	if string(name) == "stderr" {
		return Stderr
	}
	return Stdout
}
