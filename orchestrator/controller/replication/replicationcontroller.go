package replication

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

type replicationControllers struct {
	lister corelisters.ReplicationControllerLister
	client coreclient.ReplicationControllersGetter
}

func (*replicationControllers) gvk() schema.GroupVersionKind {
	return corev1.SchemeGroupVersion.WithKind("ReplicationController")
}

func (*replicationControllers) informer(f informers.SharedInformerFactory) cache.SharedIndexInformer {
	return f.Core().V1().ReplicationControllers().Informer()
}

func replicationController(rc *corev1.ReplicationController) (*workload, error) {
	selector := labels.Nothing()
	if len(rc.Spec.Selector) > 0 {
		selector = labels.SelectorFromSet(rc.Spec.Selector)
	}
	template := rc.Spec.Template
	if template == nil {
		template = &corev1.PodTemplateSpec{}
	}
	return &workload{
		Owner: rc, replicas: int(replicasOr1(rc.Spec.Replicas)), minReadySeconds: rc.Spec.MinReadySeconds,
		selector: selector, template: template, status: toReplicaSetStatus(rc.Status),
	}, nil
}

func toReplicaSetStatus(s corev1.ReplicationControllerStatus) appsv1.ReplicaSetStatus {
	status := appsv1.ReplicaSetStatus{
		Replicas: s.Replicas, FullyLabeledReplicas: s.FullyLabeledReplicas,
		ReadyReplicas: s.ReadyReplicas, AvailableReplicas: s.AvailableReplicas, ObservedGeneration: s.ObservedGeneration,
	}
	for _, c := range s.Conditions {
		status.Conditions = append(status.Conditions, appsv1.ReplicaSetCondition{
			Type: appsv1.ReplicaSetConditionType(c.Type), Status: c.Status,
			LastTransitionTime: c.LastTransitionTime, Reason: c.Reason, Message: c.Message,
		})
	}
	return status
}

func fromReplicaSetStatus(s appsv1.ReplicaSetStatus) corev1.ReplicationControllerStatus {
	status := corev1.ReplicationControllerStatus{
		Replicas: s.Replicas, FullyLabeledReplicas: s.FullyLabeledReplicas,
		ReadyReplicas: s.ReadyReplicas, AvailableReplicas: s.AvailableReplicas, ObservedGeneration: s.ObservedGeneration,
	}
	for _, c := range s.Conditions {
		status.Conditions = append(status.Conditions, corev1.ReplicationControllerCondition{
			Type: corev1.ReplicationControllerConditionType(c.Type), Status: c.Status,
			LastTransitionTime: c.LastTransitionTime, Reason: c.Reason, Message: c.Message,
		})
	}
	return status
}

func (k *replicationControllers) get(namespace, name string) (*workload, error) {
	rc, err := k.lister.ReplicationControllers(namespace).Get(name)
	if err != nil {
		return nil, err
	}
	return replicationController(rc)
}

func (k *replicationControllers) list(namespace string) []*workload {
	all, err := k.lister.ReplicationControllers(namespace).List(labels.Everything())
	return convert(all, err, replicationController)
}

func (*replicationControllers) siblings(w *workload) []types.UID { return []types.UID{w.GetUID()} }

func (k *replicationControllers) fresh(ctx context.Context, namespace, name string) (*workload, error) {
	rc, err := k.client.ReplicationControllers(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return replicationController(rc)
}

func (k *replicationControllers) putStatus(ctx context.Context, w *workload, status appsv1.ReplicaSetStatus) error {
	rc := w.Owner.(*corev1.ReplicationController).DeepCopy()
	rc.Status = fromReplicaSetStatus(status)
	_, err := k.client.ReplicationControllers(rc.Namespace).UpdateStatus(ctx, rc, metav1.UpdateOptions{})
	return err
}
