package podnet

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"sigs.k8s.io/knftables"

	"github.com/lubberline/lubberline/test/peers"
)

// labVariable is set in the process that a real test runs in.
const labVariable = "LUBBERLINE_TEST_NETWORK"

// inOwnNetwork runs the rest of the test in a process whose network is empty; it
// returns false in the process that only waits for it.
func inOwnNetwork(t *testing.T) bool {
	t.Helper()
	peers.RequireReal(t)
	if os.Getenv(labVariable) != "" {
		return true
	}
	command := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.v")
	command.Env = append(os.Environ(), labVariable+"=1")
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := command.CombinedOutput()
	t.Logf("%s", out)
	require.NoError(t, err)
	return false
}

// uplink is a link with the address 192.0.2.1/24 and a router at .254.
func uplink(t *testing.T) netlink.Link {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "uplink"
	require.NoError(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "other"}))
	other, err := netlink.LinkByName("other")
	require.NoError(t, err)
	require.NoError(t, netlink.LinkSetUp(other))
	link, err := netlink.LinkByName("uplink")
	require.NoError(t, err)
	address, err := netlink.ParseAddr("192.0.2.1/24")
	require.NoError(t, err)
	require.NoError(t, netlink.AddrAdd(link, address))
	switchOn(t, link)
	return link
}

func switchOn(t *testing.T, link netlink.Link) {
	t.Helper()
	require.NoError(t, netlink.LinkSetUp(link))
	require.NoError(t, netlink.RouteReplace(&netlink.Route{Gw: net.ParseIP("192.0.2.254"), Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}}))
}

func routes(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	list, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Protocol: protocol}, netlink.RT_FILTER_PROTOCOL)
	require.NoError(t, err)
	for _, r := range list {
		link, err := netlink.LinkByIndex(r.LinkIndex)
		require.NoError(t, err)
		found[r.Dst.String()] = r.Gw.String() + " " + link.Attrs().Name
	}
	return found
}

func peer(name, pods, address string) Peer {
	return Peer{name, netip.MustParsePrefix(pods), netip.MustParseAddr(address)}
}

func TestKernel(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	link := uplink(t)
	foreign := &netlink.Route{Dst: network(netip.MustParsePrefix("10.9.0.0/24")), LinkIndex: link.Attrs().Index, Protocol: protocol, Scope: unix.RT_SCOPE_LINK}
	require.NoError(t, netlink.RouteAdd(foreign))
	k := &kernel{pods: netip.MustParsePrefix("10.244.0.0/16"), own: netip.MustParsePrefix("10.244.0.0/24"), address: netip.MustParseAddr("192.0.2.1")}
	f := func(peers []Peer, direct, tunnels int, want map[string]string) {
		t.Helper()
		r, err := k.apply(peers)
		require.NoError(t, err)
		require.Equal(t, direct, r.direct)
		require.Equal(t, tunnels, r.tunnels)
		want["10.9.0.0/24"] = "<nil> uplink" // another cluster's
		require.Equal(t, want, routes(t))
		r, err = k.apply(peers)
		require.NoError(t, err)
		require.Zero(t, r.changes, "what is as wanted is left alone")
	}
	near, far, farther := peer("near", "10.244.1.0/24", "192.0.2.2"), peer("far", "10.244.2.0/24", "198.51.100.3"), peer("farther", "10.244.3.0/24", "198.51.100.4")
	f(nil, 0, 0, map[string]string{})
	f([]Peer{near}, 1, 0, map[string]string{"10.244.1.0/24": "192.0.2.2 uplink"})
	f([]Peer{near, far, farther}, 1, 2, map[string]string{
		"10.244.1.0/24": "192.0.2.2 uplink", "10.244.2.0/24": "10.244.2.0 lubber.vxlan", "10.244.3.0/24": "10.244.3.0 lubber.vxlan",
	})
	require.Equal(t, map[string]string{"0a:6c:0a:f4:02:00": "198.51.100.3", "0a:6c:0a:f4:03:00": "198.51.100.4"}, forwarding(t))

	far.Address = netip.MustParseAddr("198.51.100.5") // it has moved, and the other one is gone
	f([]Peer{far}, 0, 1, map[string]string{"10.244.2.0/24": "10.244.2.0 lubber.vxlan"})
	require.Equal(t, map[string]string{"0a:6c:0a:f4:02:00": "198.51.100.5"}, forwarding(t))

	require.NoError(t, netlink.LinkSetDown(link))
	_, err := k.apply([]Peer{near})
	require.ErrorContains(t, err, "node near: route to 192.0.2.2")
	switchOn(t, link)
	require.NoError(t, netlink.RouteReplace(foreign))
	f([]Peer{near}, 1, 0, map[string]string{"10.244.1.0/24": "192.0.2.2 uplink"})
	_, err = netlink.LinkByName(tunnelName)
	require.ErrorAs(t, err, &netlink.LinkNotFoundError{}, "nobody is behind the tunnel")

	f([]Peer{near, far}, 1, 1, map[string]string{"10.244.1.0/24": "192.0.2.2 uplink", "10.244.2.0/24": "10.244.2.0 lubber.vxlan"})
	require.NoError(t, Remove(t.Context(), k.pods, ""))
	require.NoError(t, Remove(t.Context(), k.pods, ""))
	require.Equal(t, map[string]string{"10.9.0.0/24": "<nil> uplink"}, routes(t))
}

// forwarding is where the tunnel sends to, by hardware address.
func forwarding(t *testing.T) map[string]string {
	t.Helper()
	link, err := netlink.LinkByName(tunnelName)
	require.NoError(t, err)
	list, err := netlink.NeighList(link.Attrs().Index, unix.AF_BRIDGE)
	require.NoError(t, err)
	found := map[string]string{}
	for _, n := range list {
		found[n.HardwareAddr.String()] = n.IP.String()
	}
	return found
}

// TestTranslation: the table is made whole again, whatever was done to it.
func TestTranslation(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	nft, err := knftables.New(knftables.IPv4Family, DefaultTable)
	require.NoError(t, err)
	n := &Network{nft: nft, o: Options{
		Table: DefaultTable, Pods: netip.MustParsePrefix("10.244.0.0/16"), Own: netip.MustParsePrefix("10.244.3.0/24"), Bridge: "lubber0",
	}}
	for range 2 {
		require.NoError(t, n.translate(t.Context()))
		rules, err := nft.ListRules(t.Context(), "postrouting")
		require.NoError(t, err)
		require.Len(t, rules, 1)
	}
	require.NoError(t, Remove(t.Context(), n.o.Pods, DefaultTable))
	_, err = nft.ListRules(t.Context(), "postrouting")
	require.Error(t, err)
}
