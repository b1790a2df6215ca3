// Package apitest starts API servers for tests.
package apitest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/kubernetes"

	"github.com/lubberline/lubberline/orchestrator/apiserver"
)

// startBound is how long a server may take until it is ready.
const startBound = 30 * time.Second

// Start runs an API server with a store of its own on free ports until the test
// ends, and returns it when it is ready. change, when given, alters its options.
func Start(t testing.TB, change ...func(*apiserver.Options)) *apiserver.Server {
	t.Helper()
	o := apiserver.Options{DataDir: t.TempDir(), Listen: []string{"127.0.0.1:0"}, Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&o)
	}
	s, err := apiserver.New(t.Context(), o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	select {
	case <-s.Ready():
	case err := <-done:
		done <- err
		require.NoError(t, err)
	case <-time.After(startBound):
		require.Fail(t, "the API server is not ready", "after %s", startBound)
	}
	return s
}

// Admin is a client that may do everything.
func Admin(t testing.TB, s *apiserver.Server) kubernetes.Interface {
	t.Helper()
	c, err := kubernetes.NewForConfig(s.ClientConfig("admin", "system:masters"))
	require.NoError(t, err)
	return c
}
