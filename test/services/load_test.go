package services

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

const (
	// rate is the requests per second of the load.
	rate = 500
	// patience is how long one request may take.
	patience = 5 * time.Second
)

// load asks a URL at a constant rate, each time by a new connection, whatever
// earlier requests do.
type load struct {
	t      *testing.T
	url    string
	client http.Client
	cancel context.CancelFunc
	wait   sync.WaitGroup
	start  time.Time

	mu       sync.Mutex
	answered int
	slowest  time.Duration
	failures []failure
}

type failure struct {
	after time.Duration // since the load's start
	err   error
}

// press starts a load.
func press(t *testing.T, url string) *load {
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{
		t: t, url: url, cancel: cancel, start: time.Now(),
		client: http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	l.wait.Go(func() { l.run(ctx) })
	return l
}

// run catches up when the machine was too busy for a tick.
func (l *load) run(ctx context.Context) {
	ticks := time.NewTicker(time.Second / rate)
	defer ticks.Stop()
	for sent := 0; ; {
		select {
		case <-ctx.Done():
			return
		case now := <-ticks.C:
			for due := int(now.Sub(l.start).Seconds() * rate); sent < due; sent++ {
				l.wait.Go(l.ask)
			}
		}
	}
}

func (l *load) ask() {
	start := time.Now()
	err := l.get()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failures = append(l.failures, failure{start.Sub(l.start), err})
		return
	}
	l.answered++
	l.slowest = max(l.slowest, time.Since(start))
}

func (l *load) get() error {
	answer, err := l.client.Get(l.url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err = io.ReadAll(answer.Body); err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s", answer.Status)
	}
	return err
}

// end stops the load, waits for the last answers and tells the outcome.
func (l *load) end(what string) []failure {
	l.t.Helper()
	took := time.Since(l.start)
	l.cancel()
	l.wait.Wait()
	l.t.Logf("%s: %d answered and %d failed in %.1f s, the slowest after %s", what, l.answered, len(l.failures), took.Seconds(), l.slowest.Round(time.Millisecond))
	slices.SortFunc(l.failures, func(a, b failure) int { return cmp.Compare(a.after, b.after) })
	for _, f := range slices.Concat(l.failures[:min(3, len(l.failures))], l.failures[max(0, len(l.failures)-1):]) {
		l.t.Logf("  failed after %.3f s: %v", f.after.Seconds(), f.err)
	}
	return l.failures
}
