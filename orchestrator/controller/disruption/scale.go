package disruption

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/utils/ptr"
)

// expectation is what a budget wants, in numbers of pods.
type expectation struct {
	expected, desired int32
	// unmanaged pods have no controller that says how many there should be.
	unmanaged int
}

// needsScale: the budget depends on how many pods their controllers want.
func needsScale(s *policyv1.PodDisruptionBudgetSpec) bool {
	return s.MaxUnavailable != nil || s.MinAvailable != nil && s.MinAvailable.Type == intstr.String
}

func (c *Controller) expect(b *policyv1.PodDisruptionBudget, pods []*corev1.Pod) (e expectation, err error) {
	limit, spec := 0, &b.Spec
	if !needsScale(spec) {
		if spec.MinAvailable != nil { // with neither, nothing is protected
			e.expected, e.desired = int32(len(pods)), spec.MinAvailable.IntVal
		}
		return e, nil
	}
	if e.expected, e.unmanaged, err = c.scales.sum(pods); err != nil {
		return e, err
	}
	bound := spec.MaxUnavailable
	if bound == nil {
		bound = spec.MinAvailable
	}
	if limit, err = intstr.GetScaledValueFromIntOrPercent(bound, int(e.expected), true); err != nil {
		return e, err
	}
	e.desired = int32(limit)
	if spec.MaxUnavailable != nil {
		e.desired = max(e.expected-int32(limit), 0)
	}
	return e, nil
}

// scales are the controllers that can be asked for a number.
type scales struct {
	controllers corelisters.ReplicationControllerLister
	replicaSets appslisters.ReplicaSetLister
	deployments appslisters.DeploymentLister
}

// sum is how many pods the controllers of these pods want together.
func (s *scales) sum(pods []*corev1.Pod) (total int32, unmanaged int, err error) {
	counted := map[types.UID]bool{}
	seen := map[types.UID]bool{} // so that each is looked up once
	for _, pod := range pods {
		owner := metav1.GetControllerOfNoCopy(pod)
		if owner == nil {
			unmanaged++
			continue
		}
		if seen[owner.UID] {
			continue
		}
		seen[owner.UID] = true
		uid, n, err := s.of(owner, pod)
		if err != nil {
			return 0, 0, err
		}
		if !counted[uid] {
			counted[uid] = true
			total += n
		}
	}
	return total, unmanaged, nil
}

// of is a pod's controller with its wanted number, a deployment's for all its
// replica sets.
func (s *scales) of(owner *metav1.OwnerReference, pod *corev1.Pod) (uid types.UID, n int32, err error) {
	gv, err := schema.ParseGroupVersion(owner.APIVersion)
	if err != nil {
		return "", 0, err
	}
	missing := fmt.Errorf("found no controllers for pod %q", pod.Name)
	switch (schema.GroupKind{Group: gv.Group, Kind: owner.Kind}) {
	case corev1.SchemeGroupVersion.WithKind("ReplicationController").GroupKind():
		rc, err := s.controllers.ReplicationControllers(pod.Namespace).Get(owner.Name)
		if err != nil || rc.UID != owner.UID {
			return "", 0, missing
		}
		return rc.UID, ofReplicationController(rc), nil
	case appsv1.SchemeGroupVersion.WithKind("ReplicaSet").GroupKind():
		rs, err := s.replicaSets.ReplicaSets(pod.Namespace).Get(owner.Name)
		if err != nil || rs.UID != owner.UID {
			return "", 0, missing
		}
		return s.ofOwned(rs, missing)
	case appsv1.SchemeGroupVersion.WithKind("DaemonSet").GroupKind():
		return "", 0, fmt.Errorf("daemonsets.apps does not implement the scale subresource")
	}
	return "", 0, fmt.Errorf("no matches for kind %q in version %q", owner.Kind, owner.APIVersion)
}

func (s *scales) ofOwned(rs *appsv1.ReplicaSet, missing error) (types.UID, int32, error) {
	owner := metav1.GetControllerOfNoCopy(rs)
	if owner == nil || owner.Kind != "Deployment" {
		return rs.UID, ofReplicaSet(rs), nil
	}
	d, err := s.deployments.Deployments(rs.Namespace).Get(owner.Name)
	if err != nil || d.UID != owner.UID {
		return "", 0, missing
	}
	return d.UID, ofDeployment(d), nil
}

func ofReplicationController(o *corev1.ReplicationController) int32 {
	return ptr.Deref(o.Spec.Replicas, 1)
}

func ofReplicaSet(o *appsv1.ReplicaSet) int32 { return ptr.Deref(o.Spec.Replicas, 1) }

func ofDeployment(o *appsv1.Deployment) int32 { return ptr.Deref(o.Spec.Replicas, 1) }

// owned is a controller as far as budgets look at it.
type owned interface {
	comparable
	metav1.Object
}

// scaleChanged makes the handler of a kind of controllers: budgets are asked for
// when a number changes, or whose it is.
func scaleChanged[T owned](c *Controller, scale func(T) int32) func(old, current T) {
	var none T
	return func(old, current T) {
		switch {
		case current == none:
			c.addAll(old.GetNamespace())
		case old == none || old.GetUID() != current.GetUID() || scale(old) != scale(current) || controllerUID(old) != controllerUID(current):
			c.addAll(current.GetNamespace())
		}
	}
}

func controllerUID(o metav1.Object) types.UID {
	if owner := metav1.GetControllerOfNoCopy(o); owner != nil {
		return owner.UID
	}
	return ""
}
