package endpoints

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func addresses(n int) []corev1.EndpointAddress {
	all := make([]corev1.EndpointAddress, n)
	for i := range all {
		all[i].IP = fmt.Sprintf("10.0.%d.%d", i/250, i%250)
	}
	return all
}

func TestTooManyAddressesAreCutOff(t *testing.T) {
	all := []corev1.EndpointSubset{{Addresses: addresses(600), NotReadyAddresses: addresses(100)}, {Addresses: addresses(350), NotReadyAddresses: addresses(100)}}
	require.True(t, truncate(all))
	require.Len(t, all[0].Addresses, 600)
	require.Len(t, all[1].Addresses, 350)
	require.Equal(t, 50, len(all[0].NotReadyAddresses)+len(all[1].NotReadyAddresses), "those that are not ready go first")

	all = []corev1.EndpointSubset{{Addresses: addresses(1100), NotReadyAddresses: addresses(100)}}
	require.True(t, truncate(all))
	require.Len(t, all[0].Addresses, maxAddresses)
	require.Empty(t, all[0].NotReadyAddresses)

	all = []corev1.EndpointSubset{{Addresses: addresses(maxAddresses)}}
	require.False(t, truncate(all))
	require.Len(t, all[0].Addresses, maxAddresses)
}

func endpointsOf(from, to int) []discoveryv1.Endpoint {
	var all []discoveryv1.Endpoint
	for i := from; i < to; i++ {
		all = append(all, discoveryv1.Endpoint{Addresses: []string{fmt.Sprint("10.0.0.", i)}})
	}
	return all
}

func requestOf(endpoints []discoveryv1.Endpoint) request {
	return request{
		owner: &metav1.OwnerReference{UID: "u"}, key: "ns/s", manager: sliceManager, max: 4, labels: map[string]string{"a": "b"},
		groups: []group{{family: discoveryv1.AddressTypeIPv4, endpoints: endpoints}},
	}
}

func slice(name string, endpoints []discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "ns", Name: name, Labels: map[string]string{"a": "b"}, OwnerReferences: []metav1.OwnerReference{{UID: "u"}}},
		AddressType: discoveryv1.AddressTypeIPv4, Endpoints: endpoints,
	}
}

func TestFewSlicesAreWritten(t *testing.T) {
	known := func() []*discoveryv1.EndpointSlice {
		return []*discoveryv1.EndpointSlice{slice("full", endpointsOf(0, 4)), slice("half", endpointsOf(4, 6)), slice("one", endpointsOf(6, 7))}
	}
	for name, row := range map[string]struct {
		endpoints                []discoveryv1.Endpoint
		created, updated, remove int
		first                    string // of the updated
	}{
		"nothing":                {endpointsOf(0, 7), 0, 0, 0, ""},
		"one more":               {endpointsOf(0, 8), 0, 1, 0, "half"},
		"one gone":               {endpointsOf(1, 7), 0, 1, 0, "full"},
		"one gone, one more":     {endpointsOf(1, 8), 0, 1, 0, "full"},
		"the last of a slice":    {endpointsOf(0, 6), 0, 0, 1, ""},
		"more than there is for": {endpointsOf(0, 14), 1, 2, 0, "half"},
		"none":                   {nil, 0, 1, 2, "full"},
	} {
		t.Run(name, func(t *testing.T) {
			r := requestOf(row.endpoints)
			c := r.pack(known())
			require.Len(t, c.create, row.created)
			require.Len(t, c.update, row.updated)
			require.Len(t, c.remove, row.remove)
			if row.first != "" {
				require.Equal(t, row.first, c.update[0].Name)
			}
		})
	}
}

func TestPortsAreThoseOfThePod(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	pod := &corev1.Pod{Spec: corev1.PodSpec{
		InitContainers: []corev1.Container{
			{Ports: []corev1.ContainerPort{{Name: "gone", ContainerPort: 1}}},
			{RestartPolicy: &always, Ports: []corev1.ContainerPort{{Name: "side", ContainerPort: 2}}},
		},
		Containers: []corev1.Container{{Ports: []corev1.ContainerPort{
			{Name: "web", ContainerPort: 53, Protocol: corev1.ProtocolUDP}, {Name: "web", ContainerPort: 8080}}}},
	}}
	named := func(name string) corev1.ServicePort {
		return corev1.ServicePort{Name: name, Port: 80, TargetPort: intstr.FromString(name)}
	}
	s := &corev1.Service{Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{
		named("web"), named("side"), named("gone"), {Name: "number", Port: 443, TargetPort: intstr.FromInt32(8443)}, {Name: "same", Port: 25}}}}
	got := map[string]int32{}
	for _, p := range portsOf(pod, s) {
		got[p.name] = p.number
	}
	require.Equal(t, map[string]int32{"web": 8080, "side": 2, "number": 8443, "same": 25}, got)
}

func TestHostnamesBelowAHeadlessService(t *testing.T) {
	pod := &corev1.Pod{Spec: corev1.PodSpec{Hostname: "h", Subdomain: "s"}}
	require.Equal(t, "h", hostnameOf(pod, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "s"}}))
	require.Empty(t, hostnameOf(pod, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "other"}}))
}
