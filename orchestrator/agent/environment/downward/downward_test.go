package downward

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestMetadata(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"b": "2", "a": "1\n"}, Annotations: map[string]string{"Up/x": "y"}}}
	f := func(path, want, wrong string) {
		t.Helper()
		got, err := Metadata(pod, path)
		require.Equal(t, want, got)
		if wrong != "" {
			require.ErrorContains(t, err, wrong)
		} else {
			require.NoError(t, err)
		}
	}
	f("metadata.labels", "a=\"1\\n\"\nb=\"2\"", "")
	f("metadata.labels['b']", "2", "")
	f("metadata.labels['none']", "", "")
	f("metadata.annotations['Up/x']", "y", "")
	f("metadata.labels['']", "", "invalid key subscript in metadata.labels['']")
	f("spec.x['a']", "", `fieldPath "spec.x['a']" does not support subscript`)
	f("['a']", "", "unsupported fieldPath: ['a']")
	f("status.podIP", "", "unsupported fieldPath: status.podIP")
}

func TestTheNodesFamilyComesFirst(t *testing.T) {
	ips := []string{"10.0.0.1", "fd00::1"}
	got, err := Field(&corev1.Pod{}, "status.podIPs", Host{IPs: []string{"fd00::9"}}, ips)
	require.NoError(t, err)
	require.Equal(t, "fd00::1,10.0.0.1", got)
	require.Equal(t, "10.0.0.1", ips[0], "the caller's stays as it is")
	got, err = Field(&corev1.Pod{}, "status.podIP", Host{IPs: []string{"192.0.2.1"}}, ips)
	require.NoError(t, err)
	require.Equal(t, "10.0.0.1", got)
}

func TestLimitOfThePodBeforeTheNodes(t *testing.T) {
	list := func(text string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(text)}
	}
	pod := &corev1.Pod{Spec: corev1.PodSpec{
		Resources: &corev1.ResourceRequirements{Limits: list("2Gi")}, Containers: []corev1.Container{{Name: "c"}}}}
	ref := &corev1.ResourceFieldSelector{ContainerName: "c", Resource: "limits.memory", Divisor: resource.MustParse("1Gi")}
	host := Host{Allocatable: list("8Gi")}
	value := func() string {
		got, err := Resource(pod, nil, ref, host)
		require.NoError(t, err)
		return got
	}
	require.Equal(t, "2", value())
	pod.Spec.Resources = nil
	require.Equal(t, "8", value())
	pod.Spec.Containers[0].Resources.Limits = list("1025Mi")
	require.Equal(t, "2", value(), "rounded up")
	ref.Resource = "limits.gpu"
	_, err := Resource(pod, nil, ref, host)
	require.EqualError(t, err, "unsupported container resource : limits.gpu")
}

func FuzzMetadata(f *testing.F) {
	f.Add("metadata.labels['a']")
	f.Add("['']")
	f.Fuzz(func(_ *testing.T, path string) { _, _ = Metadata(&corev1.Pod{}, path) })
}
