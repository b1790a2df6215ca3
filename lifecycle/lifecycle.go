// Package lifecycle starts and ends the parts of a program: actors that run
// until the first of them returns, and named clean-ups that then run in
// reverse order, each with a time bound.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Group is the parts of one program. Its methods are for the goroutine that
// builds the program; Run may be called once.
type Group struct {
	log      *slog.Logger
	actors   []actor
	cleanups []cleanup
	bound    time.Duration
}

type actor struct {
	name string
	run  func(context.Context) error
}

type cleanup struct {
	name string
	run  func(context.Context) error
}

// New returns an empty group; bound is how long each clean-up, and all actors
// together, may take to end.
func New(log *slog.Logger, bound time.Duration) *Group {
	return &Group{log: log, bound: bound}
}

// Go adds an actor. It runs until its context ends; when it returns earlier,
// with or without an error, the whole group ends.
func (g *Group) Go(name string, run func(context.Context) error) {
	g.actors = append(g.actors, actor{name, run})
}

// Serve adds an actor made of a server's two calls: serve blocks until shutdown
// has been called, which is done when the group ends.
func (g *Group) Serve(name string, serve func() error, shutdown func(context.Context) error) {
	g.Go(name, func(ctx context.Context) error {
		ended := make(chan error, 1)
		go func() { ended <- serve() }()
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
		}
		bounded, cancel := context.WithTimeout(context.Background(), g.bound)
		defer cancel()
		return errors.Join(shutdown(bounded), <-ended)
	})
}

// Cleanup adds what must be undone for something just acquired.
func (g *Group) Cleanup(name string, run func(context.Context) error) {
	g.cleanups = append(g.cleanups, cleanup{name, run})
}

// Close is Cleanup for things with a plain Close method.
func (g *Group) Close(name string, c interface{ Close() error }) {
	g.Cleanup(name, func(context.Context) error { return c.Close() })
}

// Run starts the actors, waits for the first to return or for ctx to end, ends
// the others and cleans up. The error is the first actor's, joined with those
// of the clean-ups; nil when ctx ended it.
func (g *Group) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(g.actors))
	var running sync.WaitGroup
	for _, a := range g.actors {
		running.Go(func() { ended <- a.runNamed(ctx) })
	}
	var first error
	select {
	case <-ctx.Done():
	case first = <-ended:
	}
	cancel()
	g.await(&running)
	return errors.Join(first, g.Cleanups())
}

func (a actor) runNamed(ctx context.Context) error {
	err := a.run(ctx)
	if err == nil || ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("%s: %w", a.name, err)
}

// await waits for the actors, but not for ever: one that hangs must not keep
// the rest from being closed properly.
func (g *Group) await(running *sync.WaitGroup) {
	done := make(chan struct{})
	go func() { running.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(g.bound):
		g.log.Error("parts did not end in time; closing all the same", "bound", g.bound)
	}
}

// Cleanups undoes everything in reverse order. Run calls it; a constructor
// that fails half-way does so itself.
func (g *Group) Cleanups() error {
	var errs []error
	for _, c := range slices.Backward(g.cleanups) {
		start := time.Now()
		if err := g.bounded(c.run); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", c.name, err))
		}
		g.log.Debug("closed", "part", c.name, "took", time.Since(start))
	}
	g.cleanups = nil
	return errors.Join(errs...)
}

func (g *Group) bounded(run func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), g.bound)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("not done after %s", g.bound)
	}
}
