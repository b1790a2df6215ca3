package nodeipam

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"

	"github.com/lubberline/lubberline/orchestrator/controller/controllertest"
)

func TestNext(t *testing.T) {
	f := func(prefix, want string) {
		t.Helper()
		got := next(netip.MustParsePrefix(prefix))
		if want == "" {
			require.False(t, got.IsValid())
			return
		}
		require.Equal(t, want, got.String())
	}
	f("10.244.0.0/24", "10.244.1.0/24")
	f("10.244.255.0/24", "10.245.0.0/24")
	f("10.244.0.0/26", "10.244.0.64/26")
	f("10.244.0.192/26", "10.244.1.0/26")
	f("10.244.0.0/16", "10.245.0.0/16")
	f("255.255.255.0/24", "")
}

func node(name, prefix string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{PodCIDR: prefix}}
}

func TestChoose(t *testing.T) {
	c := &Controller{given: map[string]netip.Prefix{}, o: Options{
		Pods: netip.MustParsePrefix("10.9.0.0/22"), Bits: 24, Reserved: map[string]netip.Prefix{"first": netip.MustParsePrefix("10.9.0.0/24")},
	}}
	f := func(name, want string, nodes ...*corev1.Node) {
		t.Helper()
		got, err := c.choose(name, nodes, nil)
		if want == "" {
			require.ErrorContains(t, err, "no range of /24 is left in 10.9.0.0/22 for node "+name)
			return
		}
		require.NoError(t, err)
		require.Equal(t, want, got.String())
	}
	f("a", "10.9.1.0/24")
	f("a", "10.9.1.0/24") // the cache does not know yet
	f("b", "10.9.3.0/24", node("other", "10.9.2.128/25"))
	f("c", "", node("other", "10.9.2.128/25"))
	f("first", "10.9.0.0/24")
	c.changed(node("a", ""), nil)
	f("c", "10.9.1.0/24", node("other", "10.9.2.0/24"))
}

// TestNodesGetRanges runs it on a real API server.
func TestNodesGetRanges(t *testing.T) {
	cluster := controllertest.Start(t)
	c, err := New(Options{
		Client: cluster.Client, Informers: cluster.Informers, Events: record.NewFakeRecorder(100),
		Pods: netip.MustParsePrefix("10.9.0.0/21"), Bits: 24, Logger: cluster.Logger,
	})
	require.NoError(t, err)
	cluster.Run(t, c)
	nodes := cluster.Client.CoreV1().Nodes()
	for i := range 8 {
		_, err := nodes.Create(t.Context(), node(fmt.Sprintf("n%d", i), ""), metav1.CreateOptions{})
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		list, err := nodes.List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		found := map[string]bool{}
		for _, n := range list.Items {
			if n.Spec.PodCIDR != "" {
				found[n.Spec.PodCIDR] = true
			}
		}
		return len(found) == 8
	}, controllertest.Wait, controllertest.Tick)
}

// claimed is what control hosts have agreed on; the first look is older than
// what another one did.
type claimed struct {
	owners map[netip.Prefix]string
	looked bool
}

func (c *claimed) Owners(context.Context) (map[netip.Prefix]string, error) {
	if !c.looked {
		c.looked = true
		return nil, nil
	}
	return c.owners, nil
}

func (c *claimed) Claim(_ context.Context, prefix netip.Prefix, node string) (string, error) {
	if c.owners[prefix] == "" {
		c.owners[prefix] = node
	}
	return c.owners[prefix], nil
}

func (c *claimed) Release(_ context.Context, prefix netip.Prefix, node string) error {
	if c.owners[prefix] == node {
		delete(c.owners, prefix)
	}
	return nil
}

// TestClaims: what another control host has taken meanwhile is nobody's else,
// and what a node leaves can be had again.
func TestClaims(t *testing.T) {
	first, second := netip.MustParsePrefix("10.9.0.0/24"), netip.MustParsePrefix("10.9.1.0/24")
	claims := &claimed{owners: map[netip.Prefix]string{first: "n2"}}
	cluster := controllertest.Start(t)
	c, err := New(Options{
		Client: cluster.Client, Informers: cluster.Informers, Events: record.NewFakeRecorder(10), Claims: claims,
		Pods: netip.MustParsePrefix("10.9.0.0/16"), Bits: 24, Logger: cluster.Logger,
	})
	require.NoError(t, err)
	prefix, err := c.rangeFor(t.Context(), "n3")
	require.NoError(t, err)
	require.Equal(t, second, prefix)
	require.Equal(t, map[netip.Prefix]string{first: "n2", second: "n3"}, claims.owners)
	require.NoError(t, c.keep(t.Context(), node("n3", "10.9.1.0/24")))
	c.changed(node("n3", "10.9.1.0/24"), nil)
	require.NoError(t, c.giveBack(t.Context(), "n3"))
	require.Equal(t, map[netip.Prefix]string{first: "n2"}, claims.owners)
	cluster.Run(t, c)
	_, err = cluster.Client.CoreV1().Nodes().Create(t.Context(), node("n4", ""), metav1.CreateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		n, err := cluster.Client.CoreV1().Nodes().Get(t.Context(), "n4", metav1.GetOptions{})
		require.NoError(t, err)
		return n.Spec.PodCIDR == "10.9.1.0/24"
	}, controllertest.Wait, controllertest.Tick)
}
