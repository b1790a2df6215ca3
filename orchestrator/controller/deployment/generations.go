package deployment

import (
	"context"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/controller/expectations"
)

// generations are those of the replica sets as they were last written. While
// the cache shows an older one, sizes must not be added up: some would be old
// and some new.
type generations struct {
	mu   sync.Mutex
	last map[types.UID]int64
}

func newGenerations() *generations { return &generations{last: map[types.UID]int64{}} }

func (g *generations) note(set *appsv1.ReplicaSet) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last[set.UID] = set.Generation
}

func (g *generations) forget(uid types.UID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.last, uid)
}

// shown says whether all of the sets are at least as new as they were written.
func (g *generations) shown(sets []*appsv1.ReplicaSet) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, set := range sets {
		if set.Generation < g.last[set.UID] {
			return false
		}
		delete(g.last, set.UID)
	}
	return true
}

// view is the replica sets of one deployment, for the expectations.
type view struct {
	*Controller
	d *appsv1.Deployment
}

func object(set *appsv1.ReplicaSet) expectations.Object {
	return expectations.Object{Namespace: set.Namespace, Name: set.Name, UID: set.UID}
}

func (v view) Cached(o expectations.Object) (present, deleting bool) {
	set, err := v.replicaSets.ReplicaSets(o.Namespace).Get(o.Name)
	if err != nil || set.UID != o.UID {
		return false, false
	}
	return true, set.DeletionTimestamp != nil
}

func (v view) Living(ctx context.Context) (map[expectations.Object]bool, error) {
	list, err := v.client.ReplicaSets(v.d.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	living := map[expectations.Object]bool{}
	for i := range list.Items {
		if set := &list.Items[i]; metav1.IsControlledBy(set, v.d) {
			living[object(set)] = set.DeletionTimestamp != nil
		}
	}
	return living, nil
}
