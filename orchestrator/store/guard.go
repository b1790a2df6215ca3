package store

import (
	"context"
	"errors"
	"net/http"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/kubernetes"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// guarded refuses writes that there is no room for, with errors that the API
// gives to its clients as they are.
type guarded struct {
	kubernetes.Interface
	room *room
}

// OptimisticPut implements kubernetes.Interface.
func (g guarded) OptimisticPut(ctx context.Context, key string, value []byte, revision int64, o kubernetes.PutOptions) (kubernetes.PutResponse, error) {
	if err := g.room.refuses(key, revision == 0); err != nil {
		return kubernetes.PutResponse{}, err
	}
	answer, err := g.Interface.OptimisticPut(ctx, key, value, revision, o)
	if errors.Is(err, rpctypes.ErrNoSpace) || errors.Is(err, rpctypes.ErrGRPCNoSpace) {
		g.room.exceeded.Store(true)
		g.room.refused.Add(1)
		err = insufficient("the store is as large as it may be: nothing is stored until objects are deleted")
	}
	return answer, err
}

// insufficient is 507 of HTTP: the server has no room for what it is sent.
func insufficient(message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusInsufficientStorage, Reason: "InsufficientStorage", Message: message,
	}}
}

// wasExceeded asks whether the store was as large as it may be before the start.
func (e *embedded) wasExceeded(ctx context.Context) bool {
	list, err := e.client.AlarmList(ctx)
	return err == nil && len(list.Alarms) > 0
}

// makeRoom gives back what deleted objects took, in a store that is as large as
// it may be, and when that is enough has it take writes again.
func (e *embedded) makeRoom(ctx context.Context) {
	now, err := e.client.Get(ctx, "health")
	if err != nil {
		return
	}
	if _, err := e.client.Compact(ctx, now.Header.Revision, clientv3.WithCompactPhysical()); err != nil && !errors.Is(err, rpctypes.ErrCompacted) {
		e.log.Warn("the full store is not compacted", "error", err)
	}
	backend, quota := e.server.Backend(), e.server.Cfg.QuotaBackendBytes
	backend.ForceCommit()
	if backend.SizeInUse() > quota/10*9 {
		return
	}
	if backend.Size() > quota/10*9 {
		if err := e.server.Defragment(); err != nil {
			e.log.Error("the full store is not defragmented", "error", err)
			return
		}
	}
	if _, err := e.client.AlarmDisarm(ctx, &clientv3.AlarmMember{}); err != nil {
		e.log.Error("the store goes on refusing writes", "error", err)
		return
	}
	e.room.exceeded.Store(false)
	e.log.Info("the store takes writes again: objects were deleted", "bytes", backend.Size())
}
