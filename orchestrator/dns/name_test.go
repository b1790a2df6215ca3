package dns

import (
	"net/netip"
	"strings"
	"testing"

	mdns "github.com/miekg/dns"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func TestAddressesAsLabels(t *testing.T) {
	for _, text := range []string{"10.244.0.7", "fd00::7", "fd00::", "::1", "::", "2001:db8:1:2:3:4:5:6"} {
		a := netip.MustParseAddr(text)
		label := dashed(a)
		require.False(t, strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-"), label)
		got, ok := parseDashed(label)
		require.True(t, ok, label)
		require.Equal(t, a, got)
	}
	for _, label := range []string{"", "web", "10-244-0", "10-244-0-999", "1-2-3-4-5", "fd00--7-25eth0", "-1-2-3"} {
		_, ok := parseDashed(label)
		require.False(t, ok, label)
	}
}

func TestReverseNames(t *testing.T) {
	for _, text := range []string{"10.244.0.7", "fd00::7", "2001:db8:1:2:3:4:5:6"} {
		a := netip.MustParseAddr(text)
		name, err := mdns.ReverseAddr(text)
		require.NoError(t, err)
		got, ok := parseReverse(name)
		require.True(t, ok, name)
		require.Equal(t, a, got)
	}
	for _, name := range []string{"in-addr.arpa.", "10.in-addr.arpa.", "1.2.3.4.5.in-addr.arpa.", "x.0.0.10.in-addr.arpa.", "1.ip6.arpa.", "example.com."} {
		_, ok := parseReverse(name)
		require.False(t, ok, name)
	}
}

func cluster12(t testing.TB) []runtime.Object {
	var all []runtime.Object
	for _, text := range services {
		all = append(all, decode[corev1.Service](t, text))
	}
	for _, text := range endpointSlices {
		all = append(all, decode[discoveryv1.EndpointSlice](t, text))
	}
	return all
}

func TestLongAnswersAreCutToTheClientsSize(t *testing.T) {
	slice := decode[discoveryv1.EndpointSlice](t, endpointSlices[1])
	slice.Endpoints = nil
	for i := range 200 {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{netip.AddrFrom4([4]byte{10, 244, 1, byte(i)}).String()}})
	}
	s := offline(t, []runtime.Object{decode[corev1.Service](t, services[2]), slice})
	name := "db.shop.svc.cluster.local."
	m := ask(t, s, "udp", name, mdns.TypeA)
	require.True(t, m.Truncated)
	require.LessOrEqual(t, packed(t, m), 512)
	require.NotEmpty(t, m.Answer)
	m = ask(t, s, "udp", name, mdns.TypeA, func(q *mdns.Msg) { q.SetEdns0(1232, false) })
	require.True(t, m.Truncated)
	require.LessOrEqual(t, packed(t, m), 1232)
	require.Greater(t, packed(t, m), 1000)
	require.NotNil(t, m.IsEdns0())
	m = ask(t, s, "udp", name, mdns.TypeA, func(q *mdns.Msg) { q.SetEdns0(4096, false) })
	require.False(t, m.Truncated)
	require.Len(t, m.Answer, 200)
	require.Len(t, ask(t, s, "tcp", name, mdns.TypeA).Answer, 200)

	first := map[string]bool{}
	for range 20 {
		first[ask(t, s, "tcp", name, mdns.TypeA).Answer[0].String()] = true
	}
	require.Greater(t, len(first), 1, "clients take the first")
}

func packed(t *testing.T, m *mdns.Msg) int {
	m.Compress = true
	wire, err := m.Pack()
	require.NoError(t, err)
	return len(wire)
}

// Other versions of EDNS, classes and operations are refused in the protocol's
// own words.
func TestUnusualQuestions(t *testing.T) {
	s := offline(t, nil)
	name := "web.shop.svc.cluster.local."
	m := ask(t, s, "udp", name, mdns.TypeA, func(q *mdns.Msg) { q.SetEdns0(4096, false).IsEdns0().SetVersion(7) })
	require.Equal(t, mdns.RcodeBadVers, m.Rcode)
	m = ask(t, s, "udp", name, mdns.TypeA, func(q *mdns.Msg) { q.Question[0].Qclass = mdns.ClassCHAOS })
	require.Equal(t, "REFUSED", code(m))
	m = ask(t, s, "udp", name, mdns.TypeA, func(q *mdns.Msg) { q.Opcode = mdns.OpcodeUpdate })
	require.Equal(t, "NOTIMP", code(m))
}

func FuzzQuestions(f *testing.F) {
	for _, r := range records() {
		f.Add(r.name, r.qtype)
	}
	f.Add(`\000\255.shop.svc.cluster.local.`, mdns.TypeA)
	f.Add(`a\.b.shop.svc.cluster.local.`, mdns.TypeA)
	f.Add("..cluster.local.", mdns.TypeANY)
	s := offline(f, cluster12(f))
	f.Fuzz(func(t *testing.T, name string, qtype uint16) {
		if _, valid := mdns.IsDomainName(name); !valid || !mdns.IsFqdn(name) || qtype == mdns.TypeOPT {
			return
		}
		if _, err := new(mdns.Msg).SetQuestion(name, qtype).Pack(); err != nil {
			return
		}
		m, err := exchange(s, "udp", name, qtype)
		require.NoError(t, err)
		require.Len(t, m.Question, 1)
		require.Equal(t, qtype, m.Question[0].Qtype)
		seen := strings.ToLower(m.Question[0].Name) // needless escapes are gone
		if relative, inside := below(seen, d); inside {
			require.Contains(t, []int{ok, nx, bad, mdns.RcodeRefused}, m.Rcode)
			if k := parseName(relative).kind; k == kindNone {
				require.NotEqual(t, ok, m.Rcode)
			}
		}
	})
}
