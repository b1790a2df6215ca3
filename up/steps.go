package up

import (
	"fmt"
	"io"
	"time"
)

// steps prints what has been done, each with the time since the start.
type steps struct {
	out   io.Writer
	start time.Time
}

func newSteps(out io.Writer) *steps { return &steps{out: out, start: time.Now()} }

// step prints one line; nobody can be told when the terminal is gone.
func (s *steps) step(format string, args ...any) {
	_, _ = fmt.Fprintf(s.out, "%6.2fs  %s\n", time.Since(s.start).Seconds(), fmt.Sprintf(format, args...))
}

func (s *steps) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.out, format+"\n", args...)
}
