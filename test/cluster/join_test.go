package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/lab"
)

// TestJoining: who is let in, who is not, and what a node may do then.
func TestJoining(t *testing.T) {
	f := newFleet(t, onLinks["one link"])
	control, second, third := f.Hosts[0], f.Hosts[1], f.Hosts[2]
	server, token := f.Join[1], f.Join[3]
	t.Run("what is wrong with tokens", func(t *testing.T) { wrongTokens(t, f, second, server, token) })
	f.Joined()
	t.Run("a name that is taken", func(t *testing.T) {
		out, err := third.Lubberline("join", server, "--token", token, "--data-dir", t.TempDir(), "--node", "n2")
		require.ErrorContains(t, err, `a node "n2" is there already`, out)
		out, err = third.Lubberline("join", server, "--token", token, "--data-dir", t.TempDir(), "--node", "Not A Name")
		require.ErrorContains(t, err, `node name "Not A Name"`, out)
		out, err = third.Lubberline("join", server, "--token", token, "--data-dir", t.TempDir(), "--node", "n4", "--address", second.Address)
		require.ErrorContains(t, err, "a machine may have a certificate only for its own address", out)
	})
	t.Run("tokens are listed and deleted", func(t *testing.T) {
		made, err := control.Lubberline("token", "create", "--kubeconfig", control.Kubeconfig(), "--description", "for one more")
		require.NoError(t, err)
		id, _, _ := strings.Cut(made, ".")
		list, err := control.Lubberline("token", "list", "--kubeconfig", control.Kubeconfig())
		require.NoError(t, err)
		require.Regexp(t, `(?m)^`+id+` +20\d\d-.* +for one more$`, list)
		_, err = control.Lubberline("token", "delete", id, "--kubeconfig", control.Kubeconfig())
		require.NoError(t, err)
		out, err := third.Lubberline("join", server, "--token", strings.TrimSpace(made), "--data-dir", t.TempDir(), "--node", "n4")
		require.ErrorContains(t, err, "the token is not known", out)
	})
	t.Run("a stolen certificate", func(t *testing.T) { stolen(t, f) })
	t.Run("a node that starts again needs no token", func(t *testing.T) {
		require.NoError(t, second.End())
		require.NoError(t, second.Start("join"))
		require.NoError(t, second.Ready())
		_, err := second.Prints("node n2 of the cluster of " + server)
		require.NoError(t, err)
	})
}

// wrongTokens are refused, and nothing of them stays.
func wrongTokens(t *testing.T, f *fleet, h *lab.Host, server, token string) {
	refused := func(want string, args ...string) {
		t.Helper()
		dir := t.TempDir()
		out, err := h.Lubberline(append([]string{"join", server, "--data-dir", dir}, args...)...)
		require.ErrorContains(t, err, want, out)
		require.NoFileExists(t, filepath.Join(dir, "orchestrator/identity/cluster.json"))
	}
	parts := strings.Split(token, ".")
	refused("the token is not known", "--token", "aaaaaa."+parts[1]+"."+parts[2])
	refused("the token is not known", "--token", parts[0]+".aaaaaaaaaaaaaaaa."+parts[2])
	refused("is not the control host that the token is of", "--token", parts[0]+"."+parts[1]+"."+strings.Repeat("0", 64))
	refused("without the hash of the cluster's authority", "--token", parts[0]+"."+parts[1])
	refused("want ID.SECRET.HASH", "--token", "rubbish")
	refused("this machine is in no cluster")
	short, err := f.Hosts[0].Lubberline("token", "create", "--kubeconfig", f.Hosts[0].Kubeconfig(), "--ttl", "1s")
	require.NoError(t, err)
	ends := time.Now().Add(time.Second)
	require.NoError(t, lab.Until(func() error {
		if wait := time.Until(ends); wait > 0 {
			return fmt.Errorf("the token is good for another %s", wait)
		}
		return nil
	}))
	refused("has expired at", "--token", strings.TrimSpace(short))
}

// stolen: with the certificate of n2 nothing can be changed that is n3's.
func stolen(t *testing.T, f *fleet) {
	for _, name := range []string{"n2", "n3"} {
		f.Kubectl("run", "on-"+name, "--image="+lab.Image, "--overrides",
			fmt.Sprintf(`{"spec":{"nodeName":%q,"terminationGracePeriodSeconds":0}}`, name), "--command", "--", "sleep", "1000000")
	}
	for _, name := range []string{"n2", "n3"} {
		f.Becomes("Running", "get", "pod", "on-"+name, "-o", "jsonpath={.status.phase}")
	}
	identity := filepath.Join(f.Hosts[1].Data(), "orchestrator/identity")
	file := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Config","current-context":"x",
		"clusters":[{"name":"x","cluster":{"server":"https://%[1]s:6443","certificate-authority":"%[2]s/ca.crt"}}],
		"users":[{"name":"x","user":{"client-certificate":"%[2]s/client.pem","client-key":"%[2]s/client.pem"}}],
		"contexts":[{"name":"x","context":{"cluster":"x","user":"x","namespace":"default"}}]}`, f.Hosts[0].Address, identity), 0o600))
	thief := func(args ...string) (string, error) {
		return f.Hosts[2].Lubberline(append([]string{"kubectl", "--kubeconfig", file}, args...)...)
	}
	refused := func(want string, args ...string) {
		t.Helper()
		out, err := thief(args...)
		require.ErrorContains(t, err, want, out)
	}
	out, err := thief("get", "pods", "--field-selector", "spec.nodeName=n2", "-o", "name")
	require.NoError(t, err)
	require.Equal(t, "pod/on-n2\n", out)
	refused(`cannot list resource "pods"`, "get", "pods", "--field-selector", "spec.nodeName=n3")
	failed := filepath.Join(t.TempDir(), "pod.json")
	object := f.Kubectl("get", "pod", "on-n3", "-o", "json")
	require.NoError(t, os.WriteFile(failed, []byte(strings.Replace(object, `"phase": "Running"`, `"phase": "Failed"`, 1)), 0o600))
	refused(`node "n2" can only update pod status for pods with spec.nodeName set to itself`,
		"replace", "--raw", "/api/v1/namespaces/default/pods/on-n3/status", "-f", failed)
	refused(`node "n2" can only delete pods with spec.nodeName set to itself`, "delete", "pod", "on-n3", "--wait=false")
	refused(`node "n2" is not allowed to modify node "n3"`, "annotate", "node", "n3", "mine=true")
	refused(`cannot list resource "secrets"`, "get", "secrets", "-A")
	refused("forbidden", "create", "token", "default")
	f.Becomes("Running", "get", "pod", "on-n3", "-o", "jsonpath={.status.phase}")
	f.Kubectl("delete", "pod", "on-n2", "on-n3")
}
