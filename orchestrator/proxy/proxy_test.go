package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/knftables"

	"github.com/lubberline/lubberline/orchestrator/proxy/plan"
)

// simulated is a proxy on a table that is no kernel's.
type simulated struct {
	*cluster
	table    *knftables.Fake
	events   *record.FakeRecorder
	registry *prometheus.Registry
}

func newSimulated(t *testing.T, c *cluster) *simulated {
	s := &simulated{
		cluster: c, table: knftables.NewFake(knftables.IPv4Family, plan.TableName),
		events: record.NewFakeRecorder(10), registry: prometheus.NewPedanticRegistry(),
	}
	p, err := New(Options{
		Informers: c.informers, NodeName: "here", PodNetwork: labPods, LocalPods: labLocal, ServiceNetwork: labServices,
		Table: s.table, Events: s.events, Logger: slog.New(slog.DiscardHandler), Registerer: s.registry,
		NodeAddresses: func() []netip.Addr { return nil },
	})
	require.NoError(t, err)
	c.informers.Start(t.Context().Done())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		require.NotEmpty(t, s.table.Dump(), "the table stays")
	})
	<-p.Ready()
	return s
}

func (s *simulated) leads(address string) string {
	r, err := traceIn(context.Background(), s.table, address, "", []netip.Addr{netip.MustParseAddr(labNode)})
	require.NoError(s, err)
	return r.String()
}

func (s *simulated) eventually(address, want string) {
	s.Helper()
	eventually(s, want, func() bool { return strings.Contains(s.leads(address), want) })
}

func TestFollowsServicesAndEndpoints(t *testing.T) {
	s := newSimulated(t, newCluster(t, service("web", "10.96.0.5"), endpoints("web", "10.9.0.2")))
	require.Equal(t, "10.96.0.5:80/tcp -> 10.9.0.2:8080 (tcp-cluster-1)", s.leads("10.96.0.5:80"))
	require.Equal(t, "10.96.0.6:80/tcp: no service has it", s.leads("10.96.0.6:80"))

	s.put(endpoints("web", "10.9.0.2", "10.9.1.3"))
	s.eventually("10.96.0.5:80", "-> 10.9.0.2:8080, 10.9.1.3:8080 (tcp-cluster-2)")
	s.put(service("web", "10.96.0.5", nodePort(30080), localPolicy))
	s.eventually(labNode+":30080", "-> 10.9.0.2:8080, 10.9.1.3:8080; from outside -> 10.9.0.2:8080")
	s.put(service("web", "10.96.0.5", nodePort(30080), sticky(60)))
	s.eventually(labNode+":30080", "-> 10.9.0.2:8080, 10.9.1.3:8080 (external-")
	s.put(endpoints("web", "10.9.1.3"), service("web", "10.96.0.5", nodePort(30080), localPolicy))
	s.eventually(labNode+":30080", "-> 10.9.1.3:8080 (node-port-tcp-local-1-0)")
	s.put(endpoints("web"))
	s.eventually("10.96.0.5:80", "refused")

	require.NoError(t, s.client.CoreV1().Services("default").Delete(t.Context(), "web", metav1.DeleteOptions{}))
	s.eventually("10.96.0.5:80", "no service has it")
	s.put(service("web", "10.96.0.5", func(s *corev1.Service) { s.Spec.Type, s.Spec.ClusterIP = corev1.ServiceTypeExternalName, "" }))
	s.put(service("next", "10.96.0.9"))
	s.eventually("10.96.0.9:80", "refused")
	require.Contains(t, s.leads("10.96.0.5:80"), "no service has it")
}

func TestTraceOfNonsense(t *testing.T) {
	fake := knftables.NewFake(knftables.IPv4Family, plan.TableName)
	for address, want := range map[string]string{"10.96.0.1": "want ADDRESS:PORT", "web:80": "want an IPv4 address", "[fd00::1]:80": "want an IPv4 address", "10.96.0.1:99999": "want an IPv4 address"} {
		_, err := traceIn(t.Context(), fake, address, "", nil)
		require.ErrorContains(t, err, want)
	}
	_, err := traceIn(t.Context(), fake, "10.96.0.1:80", "icmp", nil)
	require.ErrorContains(t, err, `protocol "icmp": want one of tcp, udp, sctp`)
}

func TestOwnersHearOfClashes(t *testing.T) {
	s := newSimulated(t, newCluster(t, service("a", "10.96.0.5", externalIP("203.0.113.1")), endpoints("a", "10.9.0.2")))
	s.put(service("b", "10.96.0.6", externalIP("203.0.113.1")), endpoints("b", "10.96.0.5", "10.9.0.3"))
	var told []string
	eventually(t, "both problems", func() bool {
		select {
		case e := <-s.events.Events:
			told = append(told, e)
		default:
		}
		text := strings.Join(told, "\n")
		return strings.Contains(text, "203.0.113.1 tcp 80 is taken by service default/a") && strings.Contains(text, "services cannot lead to services")
	})
	require.Contains(t, s.leads("203.0.113.1:80"), "-> 10.9.0.2:8080", "nobody else's is disturbed")
	require.Contains(t, s.leads("10.96.0.6:80"), "-> 10.9.0.3:8080")
}

func TestHealthOfServices(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())
	balanced := service("web", "10.96.0.5", nodePort(30080), localPolicy, func(s *corev1.Service) {
		s.Spec.Type, s.Spec.HealthCheckNodePort = corev1.ServiceTypeLoadBalancer, int32(port)
	})
	s := newSimulated(t, newCluster(t, balanced, endpoints("web", "10.9.0.2", "10.9.1.2")))
	url := fmt.Sprintf("http://127.0.0.1:%d/", port)
	get := func() (int, string) {
		answer, err := http.Get(url)
		if err != nil {
			return 0, err.Error()
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(body)
	}
	code, body := get()
	require.Equal(t, http.StatusOK, code)
	var told struct {
		Service        struct{ Namespace, Name string }
		LocalEndpoints int
	}
	require.NoError(t, json.Unmarshal([]byte(body), &told))
	require.Equal(t, "web", told.Service.Name)
	require.Equal(t, 1, told.LocalEndpoints)
	s.put(endpoints("web", "10.9.1.2"))
	eventually(t, "none here", func() bool { code, _ := get(); return code == http.StatusServiceUnavailable })
	s.put(service("web", "10.96.0.5"))
	eventually(t, "nobody asks", func() bool { _, text := get(); return strings.Contains(text, "refused") })
}

func TestMetrics(t *testing.T) {
	s := newSimulated(t, newCluster(t, service("web", "10.96.0.5"), endpoints("web", "10.9.0.2")))
	problems, err := testutil.GatherAndLint(s.registry)
	require.NoError(t, err)
	require.Empty(t, problems)
	s.put(endpoints("web", "10.9.0.3"))
	eventually(t, "a change is counted", func() bool {
		n, err := testutil.GatherAndCount(s.registry, "lubberline_proxy_transactions_total")
		require.NoError(t, err)
		return n == 2 && strings.Contains(s.leads("10.96.0.5:80"), "10.9.0.3")
	})
}

func TestNetworksAreNeeded(t *testing.T) {
	_, err := New(Options{PodNetwork: labPods, LocalPods: labLocal, ServiceNetwork: netip.MustParsePrefix("fd00::/64")})
	require.ErrorContains(t, err, `service network "fd00::/64": want an IPv4 network`)
}

func TestStaleFlows(t *testing.T) {
	stale := &staleFlows{
		frontends: map[plan.Frontend][]netip.AddrPort{
			{Address: netip.MustParseAddr("10.96.0.5"), Protocol: corev1.ProtocolUDP, Port: 53}: {netip.MustParseAddrPort("10.9.0.2:5353")},
			{Protocol: corev1.ProtocolUDP, Port: 30053}:                                         nil,
		},
		local: []netip.Addr{netip.MustParseAddr(labNode)},
	}
	flow := func(protocol uint8, to, from string) *netlink.ConntrackFlow {
		dst, src := netip.MustParseAddrPort(to), netip.MustParseAddrPort(from)
		return &netlink.ConntrackFlow{
			Forward: netlink.IPTuple{Protocol: protocol, DstIP: dst.Addr().AsSlice(), DstPort: dst.Port()},
			Reverse: netlink.IPTuple{Protocol: protocol, SrcIP: src.Addr().AsSlice(), SrcPort: src.Port()},
		}
	}
	for _, test := range []struct {
		protocol uint8
		to, from string
		stale    bool
	}{
		{unix.IPPROTO_UDP, "10.96.0.5:53", "10.9.0.2:5353", false},
		{unix.IPPROTO_UDP, "10.96.0.5:53", "10.9.0.3:5353", true},
		{unix.IPPROTO_UDP, "10.96.0.5:53", "10.96.0.5:53", true}, // from before the service
		{unix.IPPROTO_TCP, "10.96.0.5:53", "10.9.0.3:5353", false},
		{unix.IPPROTO_UDP, "10.96.0.6:53", "10.9.0.3:5353", false},
		{unix.IPPROTO_UDP, labNode + ":30053", "10.9.0.3:5353", true},
		{unix.IPPROTO_UDP, "8.8.8.8:30053", "8.8.8.8:30053", false},
	} {
		require.Equal(t, test.stale, stale.MatchConntrackFlow(flow(test.protocol, test.to, test.from)), "%s %s", test.to, test.from)
	}
}
