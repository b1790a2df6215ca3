package queue

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// reportInterval is how often a sink that goes on failing is logged.
const reportInterval = 15 * time.Second

// clock tries jobs until they succeed.
type clock struct {
	options Options
	often   rate.Sometimes
	failing atomic.Bool // logged as failing and not yet as back
}

func newClock(o Options) *clock {
	return &clock{options: o, often: rate.Sometimes{First: 1, Interval: reportInterval}}
}

// try returns true when the job has succeeded, false when ctx ended first.
func (c *clock) try(ctx context.Context, job Job) bool {
	for failures := 0; ; {
		err := job.Try(ctx)
		if err == nil {
			c.options.Metrics.requests("ok").Inc()
			c.succeeded()
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		failures++
		c.options.Metrics.requests("failed").Inc()
		if !c.failed(ctx, err, failures) {
			return false
		}
	}
}

// failed reports an error and waits; it returns false when ctx ended first.
func (c *clock) failed(ctx context.Context, err error, failures int) bool {
	delay := c.delay(failures)
	var asked *Delay
	if errors.As(err, &asked) {
		delay = min(max(delay, asked.After), c.options.MaxDelay)
	}
	c.report(err)
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// delay grows from MinDelay to MaxDelay by doubling, and is spread by a fifth
// so that sinks of many aggregators do not call in step.
func (c *clock) delay(failures int) time.Duration {
	d := c.options.MaxDelay
	if shift := failures - 1; shift < 16 {
		d = min(d, c.options.MinDelay<<shift)
	}
	return time.Duration(float64(d) * (0.8 + 0.2*rand.Float64()))
}

func (c *clock) report(err error) {
	c.failing.Store(true)
	c.often.Do(func() {
		c.options.Logger.Warn("sink cannot deliver, will try again", "sink", c.options.Sink, "error", err)
	})
}

func (c *clock) succeeded() {
	if c.failing.CompareAndSwap(true, false) {
		c.options.Logger.Info("sink delivers again", "sink", c.options.Sink)
	}
}

// Delay is an error with which the store said when to come back.
type Delay struct {
	// After is the least pause; MaxDelay still bounds it.
	After time.Duration
	// Err is what went wrong.
	Err error
}

// Error is the text of what went wrong.
func (d *Delay) Error() string { return d.Err.Error() }

// Unwrap returns what went wrong.
func (d *Delay) Unwrap() error { return d.Err }
