package logs

import (
	"os"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/lubberline/lubberline/collector/chunk"
)

// forgetAfter is how long the position of a file is kept that nobody has read
// and that is not where it was.
const forgetAfter = 24 * time.Hour

// dropEnded takes ended groups out.
func (t *Tailer) dropEnded() {
	if !slices.ContainsFunc(t.groups, func(g *group) bool { return g.ended }) {
		return
	}
	for _, g := range t.groups {
		if g.ended {
			t.seal(g)
			if t.byID[g.source.ID] == g {
				delete(t.byID, g.source.ID)
			}
		}
	}
	t.groups = slices.DeleteFunc(t.groups, func(g *group) bool { return g.ended })
	t.next = 0
}

// housekeeping writes the checkpoint when it is due and sets the gauges.
func (t *Tailer) housekeeping() {
	if t.now.Sub(t.pruned) > time.Hour {
		t.pruned = t.now
		t.options.Positions.Prune(forgetAfter, t.inUse)
	}
	if t.now.Sub(t.saved) >= t.options.CheckpointInterval {
		t.saved = t.now
		if err := t.options.Positions.Save(); err != nil {
			t.metrics.checkpointErrors.Inc()
			t.complain("checkpoint", "cannot write log positions", "error", err)
		}
	}
	var held int
	var lag int64
	for _, g := range t.groups {
		for _, f := range g.files {
			lag += t.lagOf(f)
			if !f.listed && f.h != noHandle {
				held++
			}
		}
	}
	t.metrics.sources.Set(float64(len(t.groups)))
	t.metrics.files.Set(float64(t.openFiles))
	t.metrics.held.Set(float64(held))
	t.metrics.lag.Set(float64(lag))
}

func (t *Tailer) lagOf(f *file) int64 {
	if f.h == noHandle || f.packed && f.fresh || f.copyOf != nil {
		return 0
	}
	if f.atEnd() {
		return f.unread
	}
	in, err := f.h.stat()
	if err != nil {
		return 0
	}
	return max(0, in.size-f.offset)
}

// inUse says that a position's file is being read, or lies where it was.
func (t *Tailer) inUse(p *chunk.Position) bool {
	if t.live[keyOf(p)] != nil {
		return true
	}
	in, err := statPath(p.Path)
	return err == nil && in.id == fileID{p.Device, p.Inode}
}

func newComplaints() map[string]*rate.Sometimes {
	m := make(map[string]*rate.Sometimes)
	for _, subject := range []string{"scan", "owner", "read", "packed", "shed", "spool", "checkpoint"} {
		m[subject] = &rate.Sometimes{First: 3, Interval: 10 * time.Second}
	}
	return m
}

// complain logs an error of one subject, not too often.
func (t *Tailer) complain(subject, message string, args ...any) {
	t.complaints[subject].Do(func() { t.log.Error(message, args...) }) //nolint:sloglint // callers pass constants
}

func (t *Tailer) complainRead(path string, err error) {
	if os.IsNotExist(err) {
		return
	}
	t.metrics.readErrs.Inc()
	t.complain("read", "cannot read log file", "path", path, "error", err)
}
