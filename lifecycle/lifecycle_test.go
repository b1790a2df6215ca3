package lifecycle

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func group(bound time.Duration) *Group { return New(slog.New(slog.DiscardHandler), bound) }

func untilDone(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

func TestEndsInReverseOrder(t *testing.T) {
	g := group(time.Minute)
	var order []string
	for _, name := range []string{"store", "listener"} {
		g.Cleanup(name, func(context.Context) error { order = append(order, name); return nil })
	}
	g.Go("server", untilDone)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, g.Run(ctx))
	require.Equal(t, []string{"listener", "store"}, order)
}

func TestFirstFailureEndsAll(t *testing.T) {
	g := group(time.Minute)
	closed := false
	g.Cleanup("store", func(context.Context) error { closed = true; return errors.New("busy") })
	g.Go("server", untilDone)
	g.Go("sampler", func(context.Context) error { return errors.New("no cgroups") })
	err := g.Run(t.Context())
	require.ErrorContains(t, err, "sampler: no cgroups")
	require.ErrorContains(t, err, "close store: busy")
	require.True(t, closed)
}

func TestHangingPartsAreLeftBehind(t *testing.T) {
	g := group(10 * time.Millisecond)
	release := make(chan struct{})
	defer close(release)
	g.Go("hangs", func(context.Context) error { <-release; return nil })
	g.Cleanup("hangs too", func(context.Context) error { <-release; return nil })
	g.Go("ends", func(context.Context) error { return nil })
	require.ErrorContains(t, g.Run(t.Context()), "close hangs too: not done after 10ms")
}

func TestServerIsShutDownWhenTheGroupEnds(t *testing.T) {
	g := group(time.Minute)
	down := make(chan struct{})
	g.Serve("http", func() error { <-down; return nil }, func(context.Context) error { close(down); return nil })
	g.Go("ends", func(context.Context) error { return errors.New("over") })
	require.EqualError(t, g.Run(t.Context()), "ends: over")
}
