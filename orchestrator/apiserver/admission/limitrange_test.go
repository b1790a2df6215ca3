package admission

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/admission"
)

func quantities(pairs ...string) corev1.ResourceList {
	l := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		l[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return l
}

func limitRange(name string, items ...corev1.LimitRangeItem) *corev1.LimitRange {
	return &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: name}, Spec: corev1.LimitRangeSpec{Limits: items}}
}

func container(name string, requests, limits corev1.ResourceList) corev1.Container {
	return corev1.Container{Name: name, Resources: corev1.ResourceRequirements{Requests: requests, Limits: limits}}
}

func TestDefaultsOfLimitRanges(t *testing.T) {
	c := newChain(t, limitRange("l", corev1.LimitRangeItem{
		Type: corev1.LimitTypeContainer, DefaultRequest: quantities("cpu", "100m", "memory", "200Mi"), Default: quantities("cpu", "500m", "memory", "500Mi"),
	}, corev1.LimitRangeItem{Type: corev1.LimitTypePod, Max: quantities("cpu", "10")}))
	pod := newTestPod("p", container("none", nil, nil), container("some", quantities("cpu", "300m"), quantities("memory", "1Gi")))
	pod.Spec.InitContainers = []corev1.Container{container("first", nil, nil)}
	require.NoError(t, c.create(pod))
	equal := func(wanted, is corev1.ResourceList) {
		t.Helper()
		require.Len(t, is, len(wanted))
		for n, v := range wanted {
			got := is[n]
			require.Zero(t, v.Cmp(got), "%s: %s", n, got.String())
		}
	}
	equal(quantities("cpu", "100m", "memory", "200Mi"), pod.Spec.Containers[0].Resources.Requests)
	equal(quantities("cpu", "500m", "memory", "500Mi"), pod.Spec.Containers[0].Resources.Limits)
	equal(quantities("cpu", "300m", "memory", "200Mi"), pod.Spec.Containers[1].Resources.Requests)
	equal(quantities("cpu", "500m", "memory", "1Gi"), pod.Spec.Containers[1].Resources.Limits)
	equal(quantities("cpu", "100m", "memory", "200Mi"), pod.Spec.InitContainers[0].Resources.Requests)
	require.Equal(t, "LimitRanger plugin set: cpu, memory request for container none; cpu, memory limit for container none; "+
		"memory request for container some; cpu limit for container some; "+
		"cpu, memory request for init container first; cpu, memory limit for init container first", pod.Annotations[limitRangerAnnotation])

	complete := newTestPod("q", container("c", quantities("cpu", "1", "memory", "1Mi"), quantities("cpu", "1", "memory", "1Mi")))
	require.NoError(t, c.create(complete))
	require.Empty(t, complete.Annotations)
}

func TestLimitsInKubernetesWords(t *testing.T) {
	f := func(item corev1.LimitRangeItem, requests, limits corev1.ResourceList, wanted string) {
		t.Helper()
		err := newChain(t, limitRange("l", item)).create(newTestPod("p", container("c", requests, limits)))
		if wanted == "" {
			require.NoError(t, err)
			return
		}
		require.EqualError(t, err, `pods "p" is forbidden: `+wanted)
	}
	of := func(kind corev1.LimitType) corev1.LimitRangeItem {
		return corev1.LimitRangeItem{
			Type: kind, Min: quantities("cpu", "50m"), Max: quantities("memory", "500Mi"), MaxLimitRequestRatio: quantities("memory", "2"),
		}
	}
	fits := quantities("cpu", "50m", "memory", "300Mi")
	f(of("Container"), fits, quantities("memory", "500Mi"), "")
	f(of("Container"), quantities("cpu", "10m", "memory", "300Mi"), quantities("memory", "500Mi"), "minimum cpu usage per Container is 50m, but request is 10m")
	f(of("Container"), quantities("memory", "300Mi"), quantities("memory", "500Mi"), "minimum cpu usage per Container is 50m.  No request is specified")
	f(of("Container"), fits, quantities("memory", "500Mi", "cpu", "40m"), "minimum cpu usage per Container is 50m, but limit is 40m")
	f(of("Container"), fits, quantities("memory", "600Mi"), "maximum memory usage per Container is 500Mi, but limit is 600Mi")
	f(of("Container"), quantities("cpu", "50m", "memory", "600Mi"), quantities("memory", "500Mi"), "maximum memory usage per Container is 500Mi, but request is 600Mi")
	f(of("Container"), fits, nil, "[maximum memory usage per Container is 500Mi.  No limit is specified, "+
		"memory max limit to request ratio per Container is 2, but no limit is specified or limit is 0]")
	f(of("Container"), quantities("cpu", "50m", "memory", "100Mi"), quantities("memory", "250Mi"), "memory max limit to request ratio per Container is 2, but provided ratio is 2.500000")
	f(of("Container"), quantities("cpu", "50m"), quantities("memory", "250Mi"), "memory max limit to request ratio per Container is 2, but no request is specified or request is 0")
	f(of("Pod"), fits, quantities("memory", "600Mi"), "maximum memory usage per Pod is 500Mi, but limit is 600Mi")
	f(of("PersistentVolumeClaim"), nil, nil, "")
}

func TestPodLimitsAddUp(t *testing.T) {
	c := newChain(t, limitRange("l", corev1.LimitRangeItem{Type: corev1.LimitTypePod, Max: quantities("cpu", "1")}))
	err := c.create(newTestPod("p", container("a", nil, quantities("cpu", "600m")), container("b", nil, quantities("cpu", "600m"))))
	require.EqualError(t, err, `pods "p" is forbidden: maximum cpu usage per Pod is 1, but limit is 1200m`)
}

func TestLimitsOfClaims(t *testing.T) {
	c := newChain(t, limitRange("l", corev1.LimitRangeItem{
		Type: corev1.LimitTypePersistentVolumeClaim, Min: quantities("storage", "1Gi"), Max: quantities("storage", "2Gi"),
	}))
	f := func(asked, wanted string) {
		t.Helper()
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "c"}}
		claim.Spec.Resources.Requests = quantities("storage", asked)
		err := c.ask(request{resource: "persistentvolumeclaims", operation: admission.Create, object: claim})
		if wanted == "" {
			require.NoError(t, err)
			return
		}
		require.EqualError(t, err, `persistentvolumeclaims "c" is forbidden: `+wanted)
	}
	f("2Gi", "")
	f("500Mi", "minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 500Mi")
	f("3Gi", "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi")
}

// A limit counts from the moment it is stored, whatever the informer knows.
func TestLimitsCountAtOnce(t *testing.T) {
	c := newChain(t)
	l := limitRange("l", corev1.LimitRangeItem{Type: corev1.LimitTypeContainer, Max: quantities("cpu", "1")})
	require.NoError(t, c.ask(request{resource: "limitranges", operation: admission.Create, object: l}))
	_, err := c.client.CoreV1().LimitRanges("n").Create(t.Context(), l, metav1.CreateOptions{})
	require.NoError(t, err)
	err = c.create(newTestPod("p", container("a", nil, quantities("cpu", "2"))))
	require.EqualError(t, err, `pods "p" is forbidden: maximum cpu usage per Container is 1, but limit is 2`)
}
