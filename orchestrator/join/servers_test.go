package join

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// hosts are control hosts that are well or not.
type hosts struct {
	mu   sync.Mutex
	away map[string]bool
}

func (h *hosts) set(host string, away bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away[host] = away
}

func (h *hosts) probe(_ context.Context, host string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away[host] {
		return errors.New("away")
	}
	return nil
}

func addresses(all ...string) (parsed []netip.Addr) {
	for _, a := range all {
		parsed = append(parsed, netip.MustParseAddr(a))
	}
	return parsed
}

// TestTheFirstThatAnswers: all nodes use the same control host, another while it
// is away, and that one again when it is back.
func TestTheFirstThatAnswers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "servers.json")
	synctest.Test(t, func(t *testing.T) {
		s, err := openServers(file, "10.0.0.2", slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		h := &hosts{away: map[string]bool{}}
		s.probe = h.probe
		ctx, cancel := context.WithCancel(t.Context())
		go s.run(ctx)
		defer synctest.Wait()
		defer cancel()
		passes := func(probes int) {
			time.Sleep(time.Duration(probes)*probeEvery + time.Millisecond)
			synctest.Wait()
		}
		passes(3)
		require.Equal(t, "10.0.0.2", s.current)

		require.NoError(t, s.set(addresses("10.0.0.1", "10.0.0.2", "10.0.0.3")))
		near, far := net.Pipe()
		kept := s.keep(near, "10.0.0.2", "10.0.0.2")
		passes(1)
		require.Equal(t, "10.0.0.2", s.current, "one answer is not enough")
		passes(1)
		require.Equal(t, "10.0.0.1", s.current)
		_, err = far.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF, "what is open to another ends")
		require.ErrorIs(t, kept.SetDeadline(time.Time{}), io.ErrClosedPipe)
		require.Empty(t, s.open)

		h.set("10.0.0.1", true)
		h.set("10.0.0.2", true)
		passes(2)
		require.Equal(t, "10.0.0.3", s.current)
		h.set("10.0.0.3", true)
		passes(5)
		require.Equal(t, "10.0.0.3", s.current, "with none that answers nothing changes")
		h.set("10.0.0.2", false)
		passes(1)
		require.Equal(t, "10.0.0.2", s.current)

		require.NoError(t, s.set(nil))
		require.Equal(t, []string{"10.0.0.2", "10.0.0.1", "10.0.0.3"}, s.order(), "a cluster has a control host")
		require.NoError(t, s.set(addresses("10.0.0.4", "10.0.0.5")))
		require.Equal(t, []string{"10.0.0.4", "10.0.0.5"}, s.order())
	})
	again, err := openServers(file, "10.0.0.2", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.Equal(t, []string{"10.0.0.4", "10.0.0.5"}, again.order(), "the next start knows them")
}

// TestDialing goes on to the next where nobody listens.
func TestDialing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.2:0")
	require.NoError(t, err)
	defer l.Close()
	s, err := openServers(filepath.Join(t.TempDir(), "servers.json"), "127.0.0.3", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	_, err = s.dial(t.Context(), "tcp", "127.0.0.9:"+port)
	require.ErrorContains(t, err, "127.0.0.3:"+port)
	require.NoError(t, s.set(addresses("127.0.0.3", "127.0.0.2")))
	conn, err := s.dial(t.Context(), "tcp", "127.0.0.9:"+port)
	require.NoError(t, err)
	require.Equal(t, l.Addr().String(), conn.RemoteAddr().String())
	require.Equal(t, "127.0.0.2", s.order()[0])
	require.NoError(t, conn.Close())
	require.Empty(t, s.open)
}
