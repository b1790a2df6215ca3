package podnet

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseChains(t *testing.T) {
	chains, err := parseChains([]byte(`{"nftables": [{"metainfo": {"version": "1.0.6"}},
		{"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "handle": 2, "type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}},
		{"chain": {"family": "ip", "table": "filter", "name": "DOCKER-USER", "handle": 3}},
		{"chain": {"family": "ip6", "table": "filter", "name": "FORWARD", "handle": 2, "type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}},
		{"chain": {"family": "ip", "table": "filter", "name": "INPUT", "handle": 1, "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
		{"chain": {"family": "inet", "table": "site", "name": "forward", "handle": 1, "type": "filter", "hook": "forward", "prio": 0, "policy": "accept"}}]}`))
	require.NoError(t, err)
	require.Equal(t, []baseChain{
		{"ip", "filter", "FORWARD", "forward", "drop"}, {"inet", "site", "forward", "forward", "accept"},
	}, chains)
	require.True(t, chains[0].isShared())
	require.False(t, chains[1].isShared())
	_, err = parseChains([]byte("no"))
	require.ErrorContains(t, err, "read the firewall's chains")
}

// TestFirewall: the shared chain gets our rules as its last, whatever others do
// with it, and loses only them.
func TestFirewall(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	n := &Network{o: Options{Pods: netip.MustParsePrefix("10.244.0.0/16"), Table: "lubberline-pods"}}
	f := newFirewall(n)
	run := func(words string) string {
		t.Helper()
		parts := strings.Fields(words)
		out, err := exec.Command(parts[0], parts[1:]...).CombinedOutput()
		require.NoError(t, err, "%s: %s", words, out)
		return string(out)
	}
	check := func() bool {
		t.Helper()
		news, err := f.check(t.Context())
		require.NoError(t, err)
		return news
	}
	const accepts = "-A FORWARD -s 10.244.0.0/16 -m comment --comment lubberline-pods -j ACCEPT\n" +
		"-A FORWARD -d 10.244.0.0/16 -m comment --comment lubberline-pods -j ACCEPT\n"

	require.False(t, check(), "no firewall at all")
	require.NoError(t, f.remove(t.Context()))
	run("iptables-nft -P FORWARD DROP")
	require.False(t, check())
	require.Equal(t, "-P FORWARD DROP\n"+accepts, run("iptables-nft -S FORWARD"))
	run("iptables-nft -I FORWARD -s 10.244.9.9/32 -j DROP")
	run("iptables-nft -A FORWARD -i docker0 -j ACCEPT")
	require.False(t, check())
	require.Equal(t, "-P FORWARD DROP\n-A FORWARD -s 10.244.9.9/32 -j DROP\n-A FORWARD -i docker0 -j ACCEPT\n"+accepts, run("iptables-nft -S FORWARD"))
	run("iptables-nft -F FORWARD")
	require.False(t, check())
	require.Equal(t, "-P FORWARD DROP\n"+accepts, run("iptables-nft -S FORWARD"))

	run("nft add table inet site")
	run("nft add chain inet site forward { type filter hook forward priority 0; policy drop; }")
	require.True(t, check(), "it is told once")
	require.Equal(t, []string{"inet site forward"}, f.against)
	require.False(t, check())
	run("nft delete table inet site")
	require.True(t, check())
	require.Empty(t, f.against)

	run("iptables-nft -A FORWARD -i docker0 -j ACCEPT")
	require.NoError(t, f.remove(t.Context()))
	require.Equal(t, "-P FORWARD DROP\n-A FORWARD -i docker0 -j ACCEPT\n", run("iptables-nft -S FORWARD"))
}
