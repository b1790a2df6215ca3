package pki

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// memory is a vault.
type memory struct {
	mu       sync.Mutex
	value    []byte
	revision int64
	refused  int
}

func (m *memory) Get(context.Context) ([]byte, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.value, m.revision, nil
}

func (m *memory) Put(_ context.Context, value []byte, revision int64) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if revision != m.revision {
		m.refused++
		return false, nil
	}
	m.value, m.revision = value, revision+1
	return true, nil
}

func host(t *testing.T) Options {
	t.Helper()
	return Options{Dir: filepath.Join(t.TempDir(), "pki"), Logger: slog.New(slog.DiscardHandler)}
}

// TestHostsAtTheSameMoment all have the same authority and keys.
func TestHostsAtTheSameMoment(t *testing.T) {
	vault, secret := &memory{}, []byte("a secret of many characters")
	var all []Options
	var started sync.WaitGroup
	for range 4 {
		o := host(t)
		all = append(all, o)
		started.Go(func() {
			if err := Share(t.Context(), o, vault, secret); err != nil {
				t.Error(err)
			}
		})
	}
	started.Wait()
	first, err := Open(all[0])
	require.NoError(t, err)
	for _, o := range all[1:] {
		other, err := Open(o)
		require.NoError(t, err)
		require.Equal(t, first.CA(), other.CA())
		require.True(t, samePublicKey(first.TokenKey().Public(), other.TokenKey().Public()))
		pair, err := other.Pair(Request{Name: "admin", User: "admin"})
		require.NoError(t, err)
		require.NoError(t, pair.leaf.CheckSignatureFrom(first.authority))
	}
	require.NotContains(t, string(vault.value), "PRIVATE KEY")
	require.EqualValues(t, 1, vault.revision)
}

func TestWhoIsNoControlHost(t *testing.T) {
	secret := []byte("a secret of many characters")
	vault, first := &memory{}, host(t)
	require.NoError(t, Share(t.Context(), first, vault, nil))
	before, err := Open(first)
	require.NoError(t, err)
	require.ErrorContains(t, Share(t.Context(), host(t), vault, nil), "set orchestrator.etcd.secret_file")
	require.ErrorContains(t, Share(t.Context(), host(t), vault, secret), "the first control host keeps its certificates to itself")

	require.NoError(t, Share(t.Context(), first, vault, secret), "a cluster gets its secret later")
	second := host(t)
	require.ErrorContains(t, Share(t.Context(), second, vault, []byte("another secret")), "has not the secret of the other control hosts")
	require.NoFileExists(t, filepath.Join(second.Dir, "ca.crt"))
	require.NoError(t, Share(t.Context(), second, vault, secret))
	after, err := Open(second)
	require.NoError(t, err)
	require.Equal(t, before.CA(), after.CA())
	require.NoError(t, Share(t.Context(), second, vault, nil), "who has the keys needs no secret")

	stranger := host(t)
	_, err = Open(stranger)
	require.NoError(t, err)
	require.ErrorContains(t, Share(t.Context(), stranger, vault, secret), "is not the authority of the cluster in the store")

	rubbish := &memory{value: []byte("rubbish"), revision: 1}
	require.ErrorContains(t, Share(t.Context(), host(t), rubbish, secret), "the control hosts' certificates in the store")
}

// FuzzShared: whatever is in the store, nobody gets keys that were not sealed
// with the secret.
func FuzzShared(f *testing.F) {
	f.Add([]byte(`{"authority":"","salt":"","sealed":""}`))
	f.Add([]byte(`{"authority":"QQ==","salt":"QQ==","sealed":"QQ=="}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		vault := &memory{value: data, revision: 1}
		if Share(t.Context(), host(t), vault, []byte("a secret of many characters")) == nil {
			t.Error("keys were taken")
		}
	})
}
