package store

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// recordsPrefix is below which our own keys are, away from the API's objects:
// no request reaches them.
const recordsPrefix = "/lubberline/"

// Records are what control hosts that share a store agree on, beside the API's
// objects: each key is written by compare and swap.
type Records struct {
	client *clientv3.Client

	mu     sync.Mutex
	leases map[string]clientv3.LeaseID // of SignOfLife, by key
}

// Record is one of them. Revision changes with every write.
type Record struct {
	Key      string
	Value    []byte
	Revision int64
}

// Records are those of the store.
func (s *Store) Records() *Records {
	return &Records{client: s.Client.Client, leases: map[string]clientv3.LeaseID{}}
}

// Get is the record, or one of revision 0 when there is none.
func (r *Records) Get(ctx context.Context, key string) (Record, error) {
	answer, err := r.client.Get(ctx, recordsPrefix+key)
	if err != nil {
		return Record{}, fmt.Errorf("record %s: %w", key, err)
	}
	if len(answer.Kvs) == 0 {
		return Record{Key: key}, nil
	}
	return recordOf(answer.Kvs[0]), nil
}

func recordOf(kv *mvccpb.KeyValue) Record {
	return Record{Key: strings.TrimPrefix(string(kv.Key), recordsPrefix), Value: kv.Value, Revision: kv.ModRevision}
}

// List are the records whose keys begin with prefix, in the order of the keys.
func (r *Records) List(ctx context.Context, prefix string) (all []Record, err error) {
	answer, err := r.client.Get(ctx, recordsPrefix+prefix, clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByKey, clientv3.SortAscend))
	if err != nil {
		return nil, fmt.Errorf("records %s: %w", prefix, err)
	}
	for _, kv := range answer.Kvs {
		all = append(all, recordOf(kv))
	}
	return all, nil
}

// Put writes the record if it still has that revision, 0 for one that is not
// there. Written is false when somebody else was faster.
func (r *Records) Put(ctx context.Context, key string, value []byte, revision int64) (written bool, err error) {
	return r.swap(ctx, key, revision, clientv3.OpPut(recordsPrefix+key, string(value)))
}

// ClaimFor is Claim for a time: it has no owner then.
func (r *Records) ClaimFor(ctx context.Context, key, owner string, life time.Duration) (current string, err error) {
	lease, err := r.client.Grant(ctx, seconds(life))
	if err != nil {
		return "", fmt.Errorf("claim %s: %w", key, err)
	}
	return r.claim(ctx, key, owner, clientv3.WithLease(lease.ID))
}

func (r *Records) swap(ctx context.Context, key string, revision int64, op clientv3.Op) (bool, error) {
	answer, err := r.client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(recordsPrefix+key), "=", revision)).Then(op).Commit()
	if err != nil {
		return false, fmt.Errorf("record %s: %w", key, err)
	}
	return answer.Succeeded, nil
}

// SignOfLife writes the record for a time, whatever it was, and is called again
// before that has passed. With the same value it costs the store no new
// revision.
func (r *Records) SignOfLife(ctx context.Context, key string, value []byte, life time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if lease, ok := r.leases[key]; ok {
		if _, err := r.client.KeepAliveOnce(ctx, lease); err == nil {
			if have, err := r.Get(ctx, key); err == nil && string(have.Value) == string(value) {
				return nil
			}
		}
		delete(r.leases, key)
	}
	lease, err := r.client.Grant(ctx, seconds(life))
	if err != nil {
		return fmt.Errorf("record %s: %w", key, err)
	}
	if _, err := r.client.Put(ctx, recordsPrefix+key, string(value), clientv3.WithLease(lease.ID)); err != nil {
		return fmt.Errorf("record %s: %w", key, err)
	}
	r.leases[key] = lease.ID
	return nil
}

// EndOfLife takes a sign of life away before its time.
func (r *Records) EndOfLife(ctx context.Context, key string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.leases, key)
	if _, err := r.client.Delete(ctx, recordsPrefix+key); err != nil {
		return fmt.Errorf("record %s: %w", key, err)
	}
	return nil
}

func seconds(d time.Duration) int64 { return max(1, int64(d/time.Second)) }

// Claim gives what has no owner to this one, and returns who has it.
func (r *Records) Claim(ctx context.Context, key, owner string) (current string, err error) {
	return r.claim(ctx, key, owner)
}

func (r *Records) claim(ctx context.Context, key, owner string, how ...clientv3.OpOption) (current string, err error) {
	full := recordsPrefix + key
	answer, err := r.client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(full), "=", 0)).
		Then(clientv3.OpPut(full, owner, how...)).Else(clientv3.OpGet(full)).Commit()
	if err != nil {
		return "", fmt.Errorf("claim %s: %w", key, err)
	}
	if answer.Succeeded {
		return owner, nil
	}
	if kvs := answer.Responses[0].GetResponseRange().Kvs; len(kvs) > 0 {
		current = string(kvs[0].Value)
	}
	return current, nil
}

// Unclaim gives back what the owner has; what is another's stays.
func (r *Records) Unclaim(ctx context.Context, key, owner string) error {
	full := recordsPrefix + key
	_, err := r.client.Txn(ctx).If(clientv3.Compare(clientv3.Value(full), "=", owner)).Then(clientv3.OpDelete(full)).Commit()
	if err != nil {
		return fmt.Errorf("give back %s: %w", key, err)
	}
	return nil
}

// Changes tells of changes below prefix until ctx ends. It has room for one: who
// was told looks at all.
func (r *Records) Changes(ctx context.Context, prefix string) <-chan struct{} {
	told := make(chan struct{}, 1)
	go func() {
		for range r.client.Watch(ctx, recordsPrefix+prefix, clientv3.WithPrefix()) {
			select {
			case told <- struct{}{}:
			default:
			}
		}
	}()
	return told
}
