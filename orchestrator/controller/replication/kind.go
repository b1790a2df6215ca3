package replication

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"github.com/lubberline/lubberline/orchestrator/controller/podcontrol"
)

// workload is what the engine needs of a ReplicationController or a ReplicaSet.
// The object and what it points to are the cache's: not to be changed.
type workload struct {
	podcontrol.Owner
	replicas        int
	minReadySeconds int32
	selector        labels.Selector
	template        *corev1.PodTemplateSpec
	status          appsv1.ReplicaSetStatus
}

// kind is one of the two kinds. Names are looked up in the cache, unless the
// method says that it asks the API.
type kind interface {
	gvk() schema.GroupVersionKind
	informer(f informers.SharedInformerFactory) cache.SharedIndexInformer
	get(namespace, name string) (*workload, error)
	list(namespace string) []*workload
	// siblings are those whose pods are interchangeable with w's, w included.
	siblings(w *workload) []types.UID
	// fresh asks the API.
	fresh(ctx context.Context, namespace, name string) (*workload, error)
	// putStatus writes the status of the object as w has it.
	putStatus(ctx context.Context, w *workload, status appsv1.ReplicaSetStatus) error
}

// convert makes workloads of listed objects, leaving out those whose selector
// makes no sense.
func convert[T any](objects []T, err error, of func(T) (*workload, error)) []*workload {
	if err != nil {
		return nil
	}
	all := make([]*workload, 0, len(objects))
	for _, o := range objects {
		if w, err := of(o); err == nil {
			all = append(all, w)
		}
	}
	return all
}
