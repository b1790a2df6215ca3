package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/kubernetes"
	"golang.org/x/sys/unix"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/lubberline/lubberline/test/peers"
)

const (
	waitLong = 20 * time.Second
	poll     = 10 * time.Millisecond
)

// create and change write as the API server does.
func create(s *Store, key, value string) (revision int64, err error) {
	return change(s, key, value, 0)
}

func change(s *Store, key, value string, revision int64) (int64, error) {
	answer, err := s.Client.Kubernetes.OptimisticPut(context.Background(), key, []byte(value), revision, kubernetes.PutOptions{})
	if err == nil && !answer.Succeeded {
		err = errors.New("conflict")
	}
	return answer.Revision, err
}

func requireInsufficient(t *testing.T, err error, text string) {
	t.Helper()
	require.ErrorContains(t, err, text)
	var status apierrors.APIStatus
	require.ErrorAs(t, err, &status)
	require.EqualValues(t, http.StatusInsufficientStorage, status.Status().Code)
}

// TestALargeStoreTakesWritesAgain: once objects are deleted, without anybody's
// doing anything else, and also after a start.
func TestALargeStoreTakesWritesAgain(t *testing.T) {
	o := Options{Dir: filepath.Join(t.TempDir(), "etcd"), Quota: 24 << 20, Logger: slog.New(slog.DiscardHandler)}
	s, err := Open(t.Context(), o)
	require.NoError(t, err)
	large := strings.Repeat("x", 1<<20)
	for i := 0; err == nil && i < 100; i++ {
		_, err = create(s, fmt.Sprintf("/large/%d", i), large)
	}
	requireInsufficient(t, err, "as large as it may be")
	s.Close()
	s, err = Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	_, err = create(s, "/still", "1")
	requireInsufficient(t, err, "as large as it may be")
	_, err = s.Client.Delete(t.Context(), "/large", clientv3.WithPrefix())
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := create(s, "/small", "1")
		return err == nil
	}, waitLong, poll)
	require.Equal(t, "1", value(t, s, "/small"))
}

// TestRealFullDisk: the store's disk has not a byte left. What is there can be
// changed and deleted, through several of etcd's snapshots; nothing new is taken,
// until there is room.
func TestRealFullDisk(t *testing.T) {
	peers.RequireReal(t)
	dir := filepath.Join(t.TempDir(), "etcd")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256m"))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	s, err := Open(t.Context(), Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	text := strings.Repeat("x", 1000)
	revision, err := create(s, "/early", text)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return s.embedded.room.known.Load() != nil }, waitLong, poll, "the reserve is kept")

	fill(t, dir)
	require.Eventually(t, func() bool {
		_, err = create(s, fmt.Sprintf("/new/%d", time.Now().UnixNano()), text)
		return err != nil
	}, waitLong, poll)
	requireInsufficient(t, err, "the disk of the store ("+dir+") is full: nothing new is stored")
	for i := range 2*snapshotCount + snapshotCount/2 {
		revision, err = change(s, "/early", fmt.Sprint(i), revision)
		require.NoError(t, err)
	}
	_, err = s.Client.Delete(t.Context(), "/new", clientv3.WithPrefix())
	require.NoError(t, err)
	_, err = create(s, "/late", text)
	requireInsufficient(t, err, "is full")

	require.NoError(t, os.Remove(filepath.Join(dir, "fill")))
	require.Eventually(t, func() bool {
		_, err = create(s, "/late", text)
		return err == nil
	}, waitLong, poll)
	snapshots, err := filepath.Glob(filepath.Join(dir, "member/snap/*.snap"))
	require.NoError(t, err)
	require.NotEmpty(t, snapshots, "etcd has written snapshots meanwhile")
}

// TestRefusals: what would go beyond the reserve is refused, but for
// deletions and nodes' signs of life.
func TestRefusals(t *testing.T) {
	r := newRoom(Options{Dir: "/d", Logger: slog.New(slog.DiscardHandler)})
	const pod, lease = "/registry/pods/default/a", "/registry/leases/kube-node-lease/n1"
	for _, one := range []struct {
		left                         left
		newPod, pod, newLease, lease bool // refused
	}{
		{leftAll, false, false, false, false},
		{leftSome, true, false, true, false},
		{leftLittle, true, true, true, false},
	} {
		r.left.Store(int32(one.left))
		require.Equal(t, one.newPod, r.refuses(pod, true) != nil, one)
		require.Equal(t, one.pod, r.refuses(pod, false) != nil, one)
		require.Equal(t, one.newLease, r.refuses(lease, true) != nil, one)
		require.Equal(t, one.lease, r.refuses(lease, false) != nil, one)
	}
	require.EqualValues(t, 5, r.refused.Load())
}

// fill leaves nothing free.
func fill(t *testing.T, dir string) {
	t.Helper()
	file, err := os.Create(filepath.Join(dir, "fill"))
	require.NoError(t, err)
	defer file.Close()
	for size := 1 << 20; size >= 4096; {
		if _, err := file.Write(make([]byte, size)); errors.Is(err, unix.ENOSPC) {
			size /= 2
		} else {
			require.NoError(t, err)
		}
	}
}
