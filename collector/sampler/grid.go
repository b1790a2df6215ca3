package sampler

import "time"

// hold is how far back the clock may be set for the grid to wait until it has
// caught up.
const hold = time.Minute

// grid decides which points of the grid are taken. Times are in nanoseconds.
type grid struct {
	interval int64
	start    int64 // the distance of points before the first of the grid; 0 is interval
	settled  bool  // a point of the grid has been taken
	last     int64 // the point taken last; 0 before the first

	wall int64 // when the last decision was taken
	mono time.Duration
}

// decision is what to do at one moment.
type decision struct {
	take      bool  // read now, for the point at
	at        int64 // nanoseconds since the epoch
	missed    int64 // points left out since the one taken last
	realigned bool  // at may lie before points taken earlier
	// step is how far the clock was set since the last decision; 0 when it was
	// not.
	step time.Duration
}

// spacing is the distance of points now.
func (g *grid) spacing() int64 {
	if g.settled || g.start == 0 {
		return g.interval
	}
	return g.start
}

// next is how long to wait from now for the next point.
func (g *grid) next(now time.Time) time.Duration {
	t := now.UnixNano()
	return time.Duration(g.spacing() - t%g.spacing())
}

// decide is asked when the wait is over.
func (g *grid) decide(now time.Time, mono time.Duration) (d decision) {
	t := now.UnixNano()
	if g.last != 0 {
		d.step = g.stepped(t, mono)
	}
	g.wall, g.mono = t, mono
	spacing := g.spacing()
	d.at = t - t%spacing
	if g.last-d.at > int64(hold) {
		d.realigned, d.take = true, t-d.at <= spacing/2
		if d.take {
			g.last = d.at
		}
		return d
	}
	if d.at <= g.last || t-d.at > spacing/2 {
		return d
	}
	d.take = true
	if g.last != 0 {
		d.missed = (d.at-g.last)/spacing - 1
	}
	g.last = d.at
	g.settled = g.settled || d.at%g.interval == 0
	return d
}

// stepped is how far the wall clock moved beyond the monotonic one, when that
// is more than half an interval.
func (g *grid) stepped(wall int64, mono time.Duration) time.Duration {
	step := time.Duration(wall-g.wall) - (mono - g.mono)
	if step.Abs() <= time.Duration(g.interval)/2 {
		return 0
	}
	return step
}
