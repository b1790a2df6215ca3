package quota

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	quotav1 "k8s.io/apiserver/pkg/quota/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
)

func list(pairs ...string) corev1.ResourceList {
	l := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		l[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return l
}

func requireList(t *testing.T, wanted, is corev1.ResourceList) {
	t.Helper()
	require.True(t, quotav1.Equals(wanted, is), "want %v, is %v", wanted, is)
}

func container(name string, requests, limits corev1.ResourceList) corev1.Container {
	return corev1.Container{Name: name, Resources: corev1.ResourceRequirements{Requests: requests, Limits: limits}}
}

func pod(containers ...corev1.Container) *corev1.Pod {
	return &corev1.Pod{Spec: corev1.PodSpec{Containers: containers}}
}

func TestPodUsage(t *testing.T) {
	now := time.Unix(1000, 0)
	p := pod(
		container("a", list("cpu", "1", "memory", "1Gi", "example.com/dongle", "2"), list("cpu", "2")),
		container("b", list("cpu", "1", "hugepages-2Mi", "4Mi"), nil))
	p.Spec.InitContainers = []corev1.Container{container("i", list("cpu", "3"), nil)}
	full := list("count/pods", "1", "pods", "1", "cpu", "3", "requests.cpu", "3", "limits.cpu", "2",
		"memory", "1Gi", "requests.memory", "1Gi", "requests.example.com/dongle", "2", "hugepages-2Mi", "4Mi", "requests.hugepages-2Mi", "4Mi")
	requireList(t, full, PodUsage(p, now))

	deleted := metav1.NewTime(now)
	p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &deleted, ptr.To[int64](30)
	requireList(t, full, PodUsage(p, now.Add(30*time.Second)))
	requireList(t, list("count/pods", "1"), PodUsage(p, now.Add(31*time.Second)))
	p.DeletionTimestamp = nil
	p.Status.Phase = corev1.PodSucceeded
	requireList(t, list("count/pods", "1"), PodUsage(p, now))
}

func TestContainersMustSpecifyWhatIsLimited(t *testing.T) {
	f := func(wanted string, p *corev1.Pod, required ...corev1.ResourceName) {
		t.Helper()
		err := mustSpecify(required, p)
		if wanted == "" {
			require.NoError(t, err)
			return
		}
		require.EqualError(t, err, wanted)
	}
	p := pod(container("b", list("cpu", "1"), nil), container("a", nil, nil))
	f("must specify cpu for: a", p, "cpu")
	f("must specify limits.cpu for: a,b; memory for: a,b", p, "memory", "limits.cpu", "pods")
	f("", p, "ephemeral-storage", "pods", "count/pods")
	p.Spec.InitContainers = []corev1.Container{container("i", nil, nil)}
	f("must specify requests.cpu for: a,i", p, "requests.cpu")
	p.Spec.Resources = &corev1.ResourceRequirements{Requests: list("cpu", "2")}
	f("", p, "requests.cpu")
}

func TestServiceUsage(t *testing.T) {
	f := func(s corev1.ServiceSpec, nodePorts, balancers string) {
		t.Helper()
		requireList(t, list("count/services", "1", "services", "1", "services.nodeports", nodePorts, "services.loadbalancers", balancers),
			serviceUsage(&corev1.Service{Spec: s}))
	}
	ports := []corev1.ServicePort{{Port: 80}, {Port: 81, NodePort: 30000}}
	f(corev1.ServiceSpec{Ports: ports, Type: corev1.ServiceTypeClusterIP}, "0", "0")
	f(corev1.ServiceSpec{Ports: ports, Type: corev1.ServiceTypeNodePort}, "2", "0")
	f(corev1.ServiceSpec{Ports: ports, Type: corev1.ServiceTypeLoadBalancer}, "2", "1")
	f(corev1.ServiceSpec{Ports: ports, Type: corev1.ServiceTypeLoadBalancer, AllocateLoadBalancerNodePorts: ptr.To(false)}, "1", "1")
}

func TestClaimUsage(t *testing.T) {
	c := &corev1.PersistentVolumeClaim{Spec: corev1.PersistentVolumeClaimSpec{
		StorageClassName: ptr.To("gold"), Resources: corev1.VolumeResourceRequirements{Requests: list("storage", "1500m")},
	}}
	requireList(t, list("count/persistentvolumeclaims", "1", "persistentvolumeclaims", "1", "requests.storage", "2",
		"gold.storageclass.storage.k8s.io/persistentvolumeclaims", "1", "gold.storageclass.storage.k8s.io/requests.storage", "2"), claimUsage(c))
	c.Spec.StorageClassName = nil
	c.Status.AllocatedResources = list("storage", "3Gi")
	requireList(t, list("count/persistentvolumeclaims", "1", "persistentvolumeclaims", "1", "requests.storage", "3Gi"), claimUsage(c))
	require.Equal(t, []corev1.ResourceName{"requests.storage", "x.storageclass.storage.k8s.io/persistentvolumeclaims"},
		claimNames([]corev1.ResourceName{"pods", "requests.storage", "x.storageclass.storage.k8s.io/persistentvolumeclaims", "x.storageclass.storage.k8s.io/pods"}))
}

func TestScopes(t *testing.T) {
	f := func(p *corev1.Pod, scopes ...corev1.ResourceQuotaScope) {
		t.Helper()
		for _, scope := range []corev1.ResourceQuotaScope{
			corev1.ResourceQuotaScopeTerminating, corev1.ResourceQuotaScopeNotTerminating, corev1.ResourceQuotaScopeBestEffort,
			corev1.ResourceQuotaScopeNotBestEffort, corev1.ResourceQuotaScopePriorityClass, corev1.ResourceQuotaScopeCrossNamespacePodAffinity,
		} {
			in, err := podInScope(corev1.ScopedResourceSelectorRequirement{ScopeName: scope, Operator: corev1.ScopeSelectorOpExists}, p)
			require.NoError(t, err)
			require.Equal(t, contains(scopes, scope), in, scope)
		}
	}
	f(pod(container("a", nil, nil)), corev1.ResourceQuotaScopeNotTerminating, corev1.ResourceQuotaScopeBestEffort)
	p := pod(container("a", nil, list("memory", "1")))
	p.Spec.ActiveDeadlineSeconds = ptr.To[int64](0)
	p.Spec.PriorityClassName = "high"
	p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
		PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{PodAffinityTerm: corev1.PodAffinityTerm{Namespaces: []string{"x"}}}},
	}}
	f(p, corev1.ResourceQuotaScopeTerminating, corev1.ResourceQuotaScopeNotBestEffort, corev1.ResourceQuotaScopePriorityClass,
		corev1.ResourceQuotaScopeCrossNamespacePodAffinity)
}

func contains(all []corev1.ResourceQuotaScope, one corev1.ResourceQuotaScope) bool {
	for _, s := range all {
		if s == one {
			return true
		}
	}
	return false
}

func TestScopeSelectors(t *testing.T) {
	f := func(wanted bool, name string, op corev1.ScopeSelectorOperator, values ...string) {
		t.Helper()
		p := pod()
		p.Spec.PriorityClassName = name
		in, err := podInScope(corev1.ScopedResourceSelectorRequirement{ScopeName: corev1.ResourceQuotaScopePriorityClass, Operator: op, Values: values}, p)
		require.NoError(t, err)
		require.Equal(t, wanted, in)
	}
	f(true, "a", corev1.ScopeSelectorOpIn, "a", "b")
	f(false, "c", corev1.ScopeSelectorOpIn, "a", "b")
	f(false, "", corev1.ScopeSelectorOpIn, "a")
	f(true, "c", corev1.ScopeSelectorOpNotIn, "a")
	f(true, "", corev1.ScopeSelectorOpNotIn, "a")
	f(true, "", corev1.ScopeSelectorOpDoesNotExist)
	f(false, "a", corev1.ScopeSelectorOpDoesNotExist)
	_, err := podInScope(corev1.ScopedResourceSelectorRequirement{ScopeName: corev1.ResourceQuotaScopePriorityClass, Operator: "Near"}, pod())
	require.ErrorContains(t, err, `"Near" is not a valid scope selector operator`)
}

func TestWhatIsHandled(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	evaluators := map[string]quotav1.Evaluator{}
	for _, e := range Evaluators(nil, clock) {
		evaluators[e.GroupResource().Resource] = e
	}
	require.Len(t, evaluators, 7)
	f := func(wanted bool, subresource string, op admission.Operation, old, current runtime.Object, name string) {
		t.Helper()
		a := admission.NewAttributesRecord(current, old, schema.GroupVersionKind{}, "n", "o", schema.GroupVersionResource{Resource: name}, subresource, op, nil, false, nil)
		require.Equal(t, wanted, evaluators[name].Handles(a))
	}
	ends := pod()
	ends.Spec.ActiveDeadlineSeconds = ptr.To[int64](1)
	f(true, "", admission.Create, nil, pod(), "pods")
	f(false, "", admission.Update, pod(), pod(), "pods")
	f(true, "", admission.Update, pod(), ends, "pods")
	f(false, "status", admission.Update, pod(), pod(), "pods")
	f(true, "", admission.Update, &corev1.Service{}, &corev1.Service{}, "services")
	f(false, "", admission.Update, &corev1.Secret{}, &corev1.Secret{}, "secrets")
	f(true, "", admission.Create, nil, &corev1.Secret{}, "secrets")
	claim, grown := &corev1.PersistentVolumeClaim{}, &corev1.PersistentVolumeClaim{}
	grown.Status.AllocatedResources = list("storage", "1Gi")
	f(false, "status", admission.Update, claim, claim, "persistentvolumeclaims")
	f(true, "status", admission.Update, claim, grown, "persistentvolumeclaims")
	_, err := evaluators["pods"].Usage(&corev1.Secret{})
	require.EqualError(t, err, "quota: expected a pod, got *v1.Secret")
}

func TestReplenishes(t *testing.T) {
	now := time.Unix(0, 0)
	ended, ends := pod(), pod()
	ended.Status.Phase = corev1.PodFailed
	ends.Spec.ActiveDeadlineSeconds = ptr.To[int64](1)
	require.True(t, Replenishes(pod(), ended, now))
	require.False(t, Replenishes(ended, ended, now))
	require.False(t, Replenishes(pod(), pod(), now))
	require.True(t, Replenishes(pod(), ends, now))
	balancer := &corev1.Service{Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer}}
	require.True(t, Replenishes(balancer, &corev1.Service{}, now))
	require.False(t, Replenishes(&corev1.Service{Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP}}, &corev1.Service{}, now))
	require.False(t, Replenishes(&corev1.Secret{}, &corev1.Secret{}, now))
}
