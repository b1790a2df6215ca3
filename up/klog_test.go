package up

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAClientThatGoesIsNoError(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(expected{slog.NewTextHandler(&out, nil)}).With("a", 1)
	log.Error("Error on socket receive", "err", "use of closed network connection")
	log.Error("Unhandled Error", "err", "Error proxying data from client to backend: broken pipe")
	require.Empty(t, out.String())
	log.Error("Unhandled Error", "err", "etcd is away")
	require.Contains(t, out.String(), "etcd is away")
}
