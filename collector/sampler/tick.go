package sampler

import (
	"errors"
	"slices"
	"time"

	"github.com/lubberline/lubberline/collector/cgroup"
	"github.com/lubberline/lubberline/collector/reading"
)

// point is called when the wait for a point of the grid is over.
func (s *Sampler) point() {
	now := s.clock.Now()
	d := s.grid.decide(now, s.clock.Monotonic())
	if d.step != 0 {
		s.metrics.clockSteps.Inc()
		s.logger.Warn("the clock was set", "by", d.step, "now", now)
	} else {
		s.metrics.missed.Add(float64(d.missed))
	}
	if !d.take {
		return
	}
	start := s.clock.Monotonic()
	s.metrics.lateness.Set(float64(now.UnixNano()-d.at) / 1e9)
	s.readAll(d.at)
	tick := Tick{Time: time.Unix(0, d.at), Realigned: d.realigned}
	s.publish(&tick)
	s.metrics.duration.Observe((s.clock.Monotonic() - start).Seconds())
	s.metrics.ticks.Inc()
	for _, f := range s.subscribers {
		f(tick)
	}
	s.finish()
}

// readAll reads all containers into their work samples.
func (s *Sampler) readAll(at int64) {
	if s.options.Network != nil {
		if err := s.options.Network.Refresh(); err != nil {
			s.metrics.readErrors.Inc()
		}
	}
	gone := false
	for _, e := range s.entries {
		err := e.reader.Read(at, &e.work)
		e.fresh, e.gone = err == nil, errors.Is(err, cgroup.ErrGone)
		switch {
		case err == nil:
			s.addRest(e)
		case e.gone:
			gone = true
		default:
			s.metrics.readErrors.Inc()
		}
	}
	if gone {
		s.removeGone()
	}
}

// addRest adds what does not come from the cgroup's files.
func (s *Sampler) addRest(e *entry) {
	if s.options.Network != nil {
		e.work.Interfaces = s.options.Network.Read(e.container.ID, e.work.Interfaces[:0])
	}
	if s.options.Filesystems != nil {
		s.options.Filesystems.Read(e.container.ID, &e.work)
	}
}

// removeGone removes the containers that turned out to be gone.
func (s *Sampler) removeGone() {
	for _, e := range slices.Clone(s.entries) {
		if e.gone {
			s.remove(e)
		}
	}
}

// publish puts the results of a tick where View and the subscribers see them.
func (s *Sampler) publish(tick *Tick) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tick = tick.Time
	s.containers = s.containers[:0]
	for _, e := range s.entries {
		if e.fresh {
			copySample(&e.container.Sample, &e.work)
			s.containers = append(s.containers, e.container)
		}
	}
	clear(s.containers[len(s.containers):cap(s.containers)])
	tick.Containers = s.containers
	tick.Gone, s.gone = s.gone, nil
}

// finish says once that the first tick with all containers is over.
func (s *Sampler) finish() {
	if !s.walked {
		return
	}
	select {
	case <-s.ready:
	default:
		close(s.ready)
	}
}

// copySample copies src and reuses dst's memory.
func copySample(dst, src *reading.Sample) {
	dst.Time, dst.Set = src.Time, src.Set
	dst.Devices = append(dst.Devices[:0], src.Devices...)
	dst.Interfaces = append(dst.Interfaces[:0], src.Interfaces...)
	dst.Filesystems = append(dst.Filesystems[:0], src.Filesystems...)
}
