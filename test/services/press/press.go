// Package press asks a URL at a constant rate, whatever becomes of what it has
// asked before, and counts.
package press

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// Rate is the requests per second.
	Rate = 500
	// Patience is how long one request may take.
	Patience = 5 * time.Second
)

// Press is a load that goes on until End.
type Press struct {
	url    string
	client http.Client
	cancel context.CancelFunc
	wait   sync.WaitGroup
	start  time.Time

	mu      sync.Mutex
	outcome Outcome
}

// Outcome is what became of the requests.
type Outcome struct {
	Took     time.Duration
	Answered int
	Slowest  time.Duration // of the answers
	Failures []Failure     // in their order
}

// Failure is a request that was not answered.
type Failure struct {
	At    time.Time // when it was sent
	Error string
}

// Start begins to ask, each time by a new connection.
func Start(url string) *Press {
	ctx, cancel := context.WithCancel(context.Background())
	p := &Press{url: url, cancel: cancel, start: time.Now(), client: Client()}
	p.wait.Go(func() { p.run(ctx) })
	return p
}

// Client makes a connection for each request.
func Client() http.Client {
	return http.Client{Timeout: Patience, Transport: &http.Transport{DisableKeepAlives: true}}
}

// run catches up when the machine was too busy for a tick.
func (p *Press) run(ctx context.Context) {
	ticks := time.NewTicker(time.Second / Rate)
	defer ticks.Stop()
	for sent := 0; ; {
		select {
		case <-ctx.Done():
			return
		case now := <-ticks.C:
			for due := int(now.Sub(p.start).Seconds() * Rate); sent < due; sent++ {
				p.wait.Go(p.ask)
			}
		}
	}
}

func (p *Press) ask() {
	start := time.Now()
	err := Get(&p.client, p.url)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.outcome.Failures = append(p.outcome.Failures, Failure{start, err.Error()})
		return
	}
	p.outcome.Answered++
	p.outcome.Slowest = max(p.outcome.Slowest, time.Since(start))
}

// Get fails unless the URL answers 200.
func Get(client *http.Client, url string) error {
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err = io.ReadAll(answer.Body); err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s", answer.Status)
	}
	return err
}

// End asks no more, and waits for the last answers.
func (p *Press) End() Outcome {
	took := time.Since(p.start)
	p.cancel()
	p.wait.Wait()
	p.outcome.Took = took
	slices.SortFunc(p.outcome.Failures, func(a, b Failure) int { return a.At.Compare(b.At) })
	return p.outcome
}

// String tells the numbers, and the first and the last failures.
func (o Outcome) String() string {
	text := fmt.Sprintf("%d answered and %d failed in %.1f s, the slowest after %s", o.Answered, len(o.Failures), o.Took.Seconds(), o.Slowest.Round(time.Millisecond))
	shown := slices.Concat(o.Failures[:min(3, len(o.Failures))], o.Failures[max(0, len(o.Failures)-1):])
	for _, f := range shown {
		text += fmt.Sprintf("\n  %s: %s", f.At.Format("15:04:05.000"), f.Error)
	}
	return text
}

// Within are the failures of requests that were sent in that time, and the
// others.
func (o Outcome) Within(from, to time.Time) (within, others []Failure) {
	for _, f := range o.Failures {
		if !f.At.Before(from) && !f.At.After(to) {
			within = append(within, f)
		} else {
			others = append(others, f)
		}
	}
	return within, others
}
