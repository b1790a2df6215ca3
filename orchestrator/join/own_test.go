package join

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apiserver/pkg/authentication/user"
)

// TestOwn: a control host is a node to the others, and follows the list of them.
func TestOwn(t *testing.T) {
	w := newWorld(t)
	f := Facts{Server: "https://127.0.0.2:6443", Node: "n2", Address: netip.MustParseAddr("127.0.0.2"), Cluster: facts}
	i, err := Own(t.Context(), Options{Dir: t.TempDir(), Clock: w.clock}, f, w.pki)
	require.NoError(t, err)
	require.Equal(t, f, i.Facts)
	subject := i.current().Leaf.Subject
	require.Equal(t, "system:node:n2", subject.CommonName)
	require.Equal(t, []string{user.NodesGroup, user.SystemPrivilegedGroup}, subject.Organization)
	require.True(t, i.UsesItself(), "it knows of no other")
	i.servers.use("127.0.0.1")
	require.False(t, i.UsesItself())
}
