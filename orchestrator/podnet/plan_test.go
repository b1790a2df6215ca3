package podnet

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func node(name, pods, address string, age time.Duration) *corev1.Node {
	n := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(time.Unix(1_000_000, 0).Add(-age))},
		Spec:       corev1.NodeSpec{PodCIDR: pods},
	}
	if address != "" {
		n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: name}, {Type: corev1.NodeInternalIP, Address: address}}
	}
	return n
}

func TestPeers(t *testing.T) {
	own := netip.MustParsePrefix("10.244.0.0/24")
	f := func(want []string, nodes ...*corev1.Node) {
		t.Helper()
		var got []string
		for _, p := range peersOf("self", own, nodes) {
			got = append(got, p.Node+" "+p.Pods.String()+" "+p.Address.String())
		}
		require.Equal(t, want, got)
	}
	f(nil)
	f(nil, node("self", "10.244.0.0/24", "10.0.0.1", 0))
	f([]string{"a 10.244.1.0/24 10.0.0.2"}, node("a", "10.244.1.0/24", "10.0.0.2", 0))
	f(nil, node("new", "", "10.0.0.2", 0), node("silent", "10.244.1.0/24", "", 0), node("six", "fd00::/64", "fd01::1", 0), node("odd", "x", "y", 0))
	// What two claim is the older one's, what is ours nobody's.
	f([]string{"old 10.244.1.0/24 10.0.0.2"}, node("young", "10.244.1.0/24", "10.0.0.3", time.Minute), node("old", "10.244.1.0/24", "10.0.0.2", time.Hour))
	f([]string{"a 10.244.1.0/24 10.0.0.2"}, node("b", "10.244.0.0/16", "10.0.0.3", 0), node("a", "10.244.1.0/24", "10.0.0.2", 0))
	f(nil, node("thief", "10.244.0.128/25", "10.0.0.3", time.Hour))
}

func TestHardwareAddressesDiffer(t *testing.T) {
	a, b := hardware(netip.MustParsePrefix("10.244.1.0/24")), hardware(netip.MustParsePrefix("10.244.2.7/24"))
	require.Equal(t, "0a:6c:0a:f4:01:00", a.String())
	require.Equal(t, "0a:6c:0a:f4:02:00", b.String())
}
