package app

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/config"
)

func TestStoreSize(t *testing.T) {
	c := DefaultConfig()
	require.NoError(t, config.Decode([]byte("store_size: 4GiB"), &c))
	require.EqualValues(t, 4<<30, c.StoreSize)
	require.ErrorContains(t, config.Decode([]byte("store_size: 1MiB"), &c), "store_size: 1MiB: want at least 32MiB")
}

func TestLoadBalancerPool(t *testing.T) {
	f := func(want string, pool ...netip.Prefix) {
		t.Helper()
		c := DefaultConfig()
		c.Network.LoadBalancerPool = pool
		if want == "" {
			require.NoError(t, c.Validate())
			return
		}
		require.ErrorContains(t, c.Validate(), want)
	}
	p := netip.MustParsePrefix
	f("")
	f("", p("192.0.2.8/29"), p("198.51.100.1/32"))
	f("network.load_balancer_pool[1]: 10.96.1.0/24: overlaps network.pods 10.244.0.0/16 or network.services 10.96.0.0/16", p("192.0.2.8/29"), p("10.96.1.0/24"))
	f("network.load_balancer_pool[0]: \"2001:db8::/64\": want an IPv4 network", p("2001:db8::/64"))
	f("network.load_balancer_pool[0]: \"invalid Prefix\": want an IPv4 network", netip.Prefix{})
}
