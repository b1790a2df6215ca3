package replication

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	appsclient "k8s.io/client-go/kubernetes/typed/apps/v1"
	appslisters "k8s.io/client-go/listers/apps/v1"
	"k8s.io/client-go/tools/cache"
)

type replicaSets struct {
	lister appslisters.ReplicaSetLister
	client appsclient.ReplicaSetsGetter
}

func (*replicaSets) gvk() schema.GroupVersionKind {
	return appsv1.SchemeGroupVersion.WithKind("ReplicaSet")
}

func (*replicaSets) informer(f informers.SharedInformerFactory) cache.SharedIndexInformer {
	return f.Apps().V1().ReplicaSets().Informer()
}

func replicaSet(rs *appsv1.ReplicaSet) (*workload, error) {
	selector, err := metav1.LabelSelectorAsSelector(rs.Spec.Selector)
	if err != nil {
		return nil, fmt.Errorf("selector of replica set %s/%s: %w", rs.Namespace, rs.Name, err)
	}
	if selector.Empty() {
		selector = labels.Nothing()
	}
	return &workload{
		Owner: rs, replicas: int(replicasOr1(rs.Spec.Replicas)), minReadySeconds: rs.Spec.MinReadySeconds,
		selector: selector, template: &rs.Spec.Template, status: rs.Status,
	}, nil
}

func replicasOr1(replicas *int32) int32 {
	if replicas == nil {
		return 1
	}
	return *replicas
}

func (k *replicaSets) get(namespace, name string) (*workload, error) {
	rs, err := k.lister.ReplicaSets(namespace).Get(name)
	if err != nil {
		return nil, err
	}
	return replicaSet(rs)
}

func (k *replicaSets) list(namespace string) []*workload {
	all, err := k.lister.ReplicaSets(namespace).List(labels.Everything())
	return convert(all, err, replicaSet)
}

// siblings are the replica sets of the same deployment: a roll-out moves pods
// from one to the other.
func (k *replicaSets) siblings(w *workload) []types.UID {
	controller := metav1.GetControllerOfNoCopy(w)
	if controller == nil {
		return []types.UID{w.GetUID()}
	}
	var uids []types.UID
	for _, other := range k.list(w.GetNamespace()) {
		if c := metav1.GetControllerOfNoCopy(other); c != nil && c.UID == controller.UID {
			uids = append(uids, other.GetUID())
		}
	}
	return uids
}

func (k *replicaSets) fresh(ctx context.Context, namespace, name string) (*workload, error) {
	rs, err := k.client.ReplicaSets(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return replicaSet(rs)
}

func (k *replicaSets) putStatus(ctx context.Context, w *workload, status appsv1.ReplicaSetStatus) error {
	rs := w.Owner.(*appsv1.ReplicaSet).DeepCopy()
	rs.Status = status
	_, err := k.client.ReplicaSets(rs.Namespace).UpdateStatus(ctx, rs, metav1.UpdateOptions{})
	return err
}
