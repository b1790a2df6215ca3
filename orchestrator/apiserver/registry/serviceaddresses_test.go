package registry

import (
	"context"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func addressesOf(network string, ports ...int32) taking {
	e := &Environment{ServiceNetwork: netip.MustParsePrefix(network)}
	if len(ports) == 2 {
		e.NodePorts = [2]int32{ports[0], ports[1]}
	}
	e.complete()
	return taking{newServiceAddresses(e), context.Background(), "uid"}
}

func TestEveryAddressIsGivenOnce(t *testing.T) {
	for network, want := range map[string]int{"10.0.0.8/29": 6, "10.0.0.8/30": 2, "10.0.0.8/31": 0, "10.96.0.0/22": 1022, "fd00::/120": 254} {
		t.Run(network, func(t *testing.T) {
			a, seen := addressesOf(network), map[netip.Addr]bool{}
			for range want {
				ip, err := a.nextIP()
				require.NoError(t, err)
				require.True(t, a.network.Contains(ip), ip)
				require.False(t, seen[ip], ip)
				require.NotEqual(t, a.network.Addr(), ip, "the network's own")
				require.NotEqual(t, a.last(), ip, "the broadcast address")
				seen[ip] = true
			}
			_, err := a.nextIP()
			require.ErrorIs(t, err, errFull)
		})
	}
}

func TestFirstAddressesAreLeftForThoseWhoNameThem(t *testing.T) {
	a := addressesOf("10.96.0.0/16")
	for range 1000 {
		ip, err := a.nextIP()
		require.NoError(t, err)
		require.Positive(t, ip.Compare(netip.MustParseAddr("10.96.1.0")), ip)
	}
	require.NoError(t, a.takeIP(netip.MustParseAddr("10.96.0.10")))
	require.ErrorIs(t, a.takeIP(netip.MustParseAddr("10.96.0.10")), errIPAllocated)
	for _, outside := range []string{"10.96.0.0", "10.96.255.255", "10.97.0.1", "fd00::1"} {
		require.ErrorContains(t, a.takeIP(netip.MustParseAddr(outside)), "is not in the valid range. The range of valid IPs is 10.96.0.0/16")
	}
}

func TestEveryPortIsGivenOnce(t *testing.T) {
	a, seen := addressesOf("10.0.0.0/24", 30000, 30099), map[int32]bool{}
	for range 100 {
		port, err := a.nextPort()
		require.NoError(t, err)
		require.False(t, seen[port], port)
		seen[port] = true
	}
	_, err := a.nextPort()
	require.ErrorIs(t, err, errFull)
	a.release(claims{ports: []int32{30042}}, "uid")
	port, err := a.nextPort()
	require.NoError(t, err)
	require.EqualValues(t, 30042, port)
}

func TestClaims(t *testing.T) {
	s := &corev1.Service{Spec: corev1.ServiceSpec{
		ClusterIPs: []string{"10.96.0.1", "None", "fd00::1"}, HealthCheckNodePort: 30003,
		Ports: []corev1.ServicePort{{NodePort: 30001}, {}, {NodePort: 30002}},
	}}
	c := claimsOf(s)
	require.Equal(t, []netip.Addr{netip.MustParseAddr("10.96.0.1"), netip.MustParseAddr("fd00::1")}, c.ips)
	require.Equal(t, []int32{30001, 30002, 30003}, c.ports)
	s.Spec.Type = corev1.ServiceTypeExternalName
	require.Empty(t, claimsOf(s).ips)
	gone := lost(c, claims{ips: c.ips[:1], ports: []int32{30002}})
	require.Equal(t, claims{ips: c.ips[1:], ports: []int32{30001, 30003}}, gone)
}
