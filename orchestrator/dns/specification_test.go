package dns

import (
	"net/netip"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/lubberline/lubberline/orchestrator/apiserver/apitest"
)

// What the records are of. Selectors are left out: no controller runs here.
var services = []string{`
metadata: {name: web, namespace: shop}
spec:
  clusterIP: 10.96.5.5
  ports:
  - {name: http, port: 80}
  - {name: metrics, port: 9100}
  - {name: quic, port: 80, protocol: UDP}
`, `
metadata: {name: bare, namespace: shop}
spec: {clusterIP: 10.96.5.6, ports: [{port: 5432}]}
`, `
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, ports: [{name: pg, port: 5432}]}
`, `
metadata: {name: empty, namespace: shop}
spec: {clusterIP: None, ports: [{name: pg, port: 5432}]}
`, `
metadata: {name: portless, namespace: shop}
spec: {clusterIP: None}
`, `
metadata: {name: inside, namespace: shop}
spec: {type: ExternalName, externalName: web.shop.svc.cluster.local}
`, `
metadata: {name: outside, namespace: shop}
spec: {type: ExternalName, externalName: www.example.com}
`, `
metadata: {name: lost, namespace: shop}
spec: {type: ExternalName, externalName: no.example.com}
`, `
metadata: {name: circle, namespace: shop}
spec: {type: ExternalName, externalName: circle.shop.svc.cluster.local}
`, `
metadata: {name: number, namespace: shop}
spec: {type: ExternalName, externalName: 192.0.2.1}
`}

var endpointSlices = []string{`
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints:
- {addresses: [10.244.0.20]}
`, `
metadata: {name: db-1, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: pg, port: 5432}]
endpoints:
- {addresses: [10.244.0.7], hostname: db-0}
- {addresses: [10.244.0.8]}
- {addresses: [10.244.0.9], hostname: db-2, conditions: {ready: false}}
`, `
metadata: {name: db-again, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: pg, port: 5432}]
endpoints:
- {addresses: [10.244.0.8]}
`, `
metadata: {name: db-6, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv6
ports: [{name: pg, port: 5432}]
endpoints:
- {addresses: ["fd00::7"], hostname: db-0}
`, `
metadata: {name: portless-1, namespace: shop, labels: {kubernetes.io/service-name: portless}}
addressType: IPv4
endpoints:
- {addresses: [10.244.0.30]}
`, `
metadata: {name: empty-1, namespace: shop, labels: {kubernetes.io/service-name: empty}}
addressType: IPv4
ports: [{name: pg, port: 5432}]
endpoints:
- {addresses: [10.244.0.40], conditions: {ready: false}}
`}

func fill(t testing.TB, c kubernetes.Interface) {
	_, err := c.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	for _, text := range services {
		s := decode[corev1.Service](t, text)
		_, err := c.CoreV1().Services(s.Namespace).Create(t.Context(), s, metav1.CreateOptions{})
		require.NoError(t, err, s.Name)
	}
	for _, text := range endpointSlices {
		s := decode[discoveryv1.EndpointSlice](t, text)
		_, err := c.DiscoveryV1().EndpointSlices(s.Namespace).Create(t.Context(), s, metav1.CreateOptions{})
		require.NoError(t, err, s.Name)
	}
}

const (
	ok  = mdns.RcodeSuccess
	nx  = mdns.RcodeNameError
	bad = mdns.RcodeServerFailure
)

type record struct {
	name   string
	qtype  uint16
	rcode  int
	answer []string // in any order
	extra  []string
}

const d = "cluster.local."

func records() []record {
	a, aaaa, srv, ptr, txt, cname := mdns.TypeA, mdns.TypeAAAA, mdns.TypeSRV, mdns.TypePTR, mdns.TypeTXT, mdns.TypeCNAME
	return []record{
		// the version
		{"dns-version." + d, txt, ok, []string{`dns-version.cluster.local. 5 TXT "1.1.0"`}, nil},
		{"dns-version." + d, a, ok, nil, nil},
		{"x.dns-version." + d, txt, nx, nil, nil},
		// services with a cluster IP
		{"web.shop.svc." + d, a, ok, []string{"web.shop.svc.cluster.local. 5 A 10.96.5.5"}, nil},
		{"web.shop.svc." + d, aaaa, ok, nil, nil},
		{"web.shop.svc." + d, mdns.TypeMX, ok, nil, nil},
		{"wEb.Shop.SVC.Cluster.locaL.", a, ok, []string{"wEb.Shop.SVC.Cluster.locaL. 5 A 10.96.5.5"}, nil},
		{"_http._tcp.web.shop.svc." + d, srv, ok, []string{"_http._tcp.web.shop.svc.cluster.local. 5 SRV 0 100 80 web.shop.svc.cluster.local."},
			[]string{"web.shop.svc.cluster.local. 5 A 10.96.5.5"}},
		{"_HTTP._TCP.web.shop.svc." + d, srv, ok, []string{"_HTTP._TCP.web.shop.svc.cluster.local. 5 SRV 0 100 80 web.shop.svc.cluster.local."},
			[]string{"web.shop.svc.cluster.local. 5 A 10.96.5.5"}},
		{"_quic._udp.web.shop.svc." + d, srv, ok, []string{"_quic._udp.web.shop.svc.cluster.local. 5 SRV 0 100 80 web.shop.svc.cluster.local."},
			[]string{"web.shop.svc.cluster.local. 5 A 10.96.5.5"}},
		{"_http._udp.web.shop.svc." + d, srv, nx, nil, nil},
		{"_https._tcp.web.shop.svc." + d, srv, nx, nil, nil},
		{"_http._tcp.web.shop.svc." + d, a, ok, nil, nil},
		{"_tcp.web.shop.svc." + d, srv, ok, nil, nil}, // only names below it
		{"_sctp.web.shop.svc." + d, srv, nx, nil, nil},
		{"_._tcp.bare.shop.svc." + d, srv, nx, nil, nil}, // ports without a name have no name
		{"_tcp.bare.shop.svc." + d, srv, nx, nil, nil},
		{"web.shop.svc." + d, srv, ok, []string{
			"web.shop.svc.cluster.local. 5 SRV 0 50 80 web.shop.svc.cluster.local.",
			"web.shop.svc.cluster.local. 5 SRV 0 50 9100 web.shop.svc.cluster.local.",
		}, []string{"web.shop.svc.cluster.local. 5 A 10.96.5.5"}},
		{"10-244-0-20.web.shop.svc." + d, a, ok, []string{"10-244-0-20.web.shop.svc.cluster.local. 5 A 10.244.0.20"}, nil},
		{"5.5.96.10.in-addr.arpa.", ptr, ok, []string{"5.5.96.10.in-addr.arpa. 5 PTR web.shop.svc.cluster.local."}, nil},
		{"5.5.96.10.in-addr.arpa.", a, ok, nil, nil},
		{"6.6.96.10.in-addr.arpa.", ptr, nx, nil, nil},
		// headless services
		{"db.shop.svc." + d, a, ok, []string{"db.shop.svc.cluster.local. 5 A 10.244.0.7", "db.shop.svc.cluster.local. 5 A 10.244.0.8"}, nil},
		{"db.shop.svc." + d, aaaa, ok, []string{"db.shop.svc.cluster.local. 5 AAAA fd00::7"}, nil},
		{"db-0.db.shop.svc." + d, a, ok, []string{"db-0.db.shop.svc.cluster.local. 5 A 10.244.0.7"}, nil},
		{"db-0.db.shop.svc." + d, aaaa, ok, []string{"db-0.db.shop.svc.cluster.local. 5 AAAA fd00::7"}, nil},
		{"db-0.db.shop.svc." + d, txt, ok, nil, nil},
		{"10-244-0-8.db.shop.svc." + d, a, ok, []string{"10-244-0-8.db.shop.svc.cluster.local. 5 A 10.244.0.8"}, nil},
		{"10-244-0-7.db.shop.svc." + d, a, nx, nil, nil}, // it has a name of its own
		{"db-2.db.shop.svc." + d, a, nx, nil, nil},       // not ready
		{"_pg._tcp.db.shop.svc." + d, srv, ok, []string{
			"_pg._tcp.db.shop.svc.cluster.local. 5 SRV 0 50 5432 db-0.db.shop.svc.cluster.local.",
			"_pg._tcp.db.shop.svc.cluster.local. 5 SRV 0 50 5432 10-244-0-8.db.shop.svc.cluster.local.",
		}, []string{
			"db-0.db.shop.svc.cluster.local. 5 A 10.244.0.7", "db-0.db.shop.svc.cluster.local. 5 AAAA fd00::7",
			"10-244-0-8.db.shop.svc.cluster.local. 5 A 10.244.0.8",
		}},
		{"empty.shop.svc." + d, a, nx, nil, nil},
		{"portless.shop.svc." + d, a, ok, []string{"portless.shop.svc.cluster.local. 5 A 10.244.0.30"}, nil},
		{"7.0.244.10.in-addr.arpa.", ptr, ok, []string{"7.0.244.10.in-addr.arpa. 5 PTR db-0.db.shop.svc.cluster.local."}, nil},
		{"8.0.244.10.in-addr.arpa.", ptr, ok, []string{"8.0.244.10.in-addr.arpa. 5 PTR 10-244-0-8.db.shop.svc.cluster.local."}, nil},
		{"9.0.244.10.in-addr.arpa.", ptr, nx, nil, nil},
		{"7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.", ptr, ok,
			[]string{"7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa. 5 PTR db-0.db.shop.svc.cluster.local."}, nil},
		// names of elsewhere
		{"outside.shop.svc." + d, cname, ok, []string{"outside.shop.svc.cluster.local. 5 CNAME www.example.com."}, nil},
		{"outside.shop.svc." + d, a, ok, []string{"outside.shop.svc.cluster.local. 5 CNAME www.example.com.", "www.example.com. 60 A 192.0.2.80"}, nil},
		{"inside.shop.svc." + d, a, ok, []string{"inside.shop.svc.cluster.local. 5 CNAME web.shop.svc.cluster.local.", "web.shop.svc.cluster.local. 5 A 10.96.5.5"}, nil},
		{"lost.shop.svc." + d, a, nx, []string{"lost.shop.svc.cluster.local. 5 CNAME no.example.com."}, nil},
		{"number.shop.svc." + d, a, nx, nil, nil},
		{"_http._tcp.outside.shop.svc." + d, srv, nx, nil, nil},
		// pods, whether they exist or not
		{"10-244-0-99.shop.pod." + d, a, ok, []string{"10-244-0-99.shop.pod.cluster.local. 5 A 10.244.0.99"}, nil},
		{"10-244-0-99.shop.pod." + d, aaaa, ok, nil, nil},
		{"fd00--99.shop.pod." + d, aaaa, ok, []string{"fd00--99.shop.pod.cluster.local. 5 AAAA fd00::99"}, nil},
		{"10-244-0-999.shop.pod." + d, a, nx, nil, nil},
		{"web.shop.pod." + d, a, nx, nil, nil},
		{"10-244-0-99.nowhere.pod." + d, a, nx, nil, nil},
		// what lies between
		{d, mdns.TypeNS, ok, []string{"cluster.local. 5 NS ns.dns.cluster.local."}, []string{"ns.dns.cluster.local. 5 A 10.96.0.10"}},
		{d, a, ok, nil, nil},
		{"ns.dns." + d, a, ok, []string{"ns.dns.cluster.local. 5 A 10.96.0.10"}, nil},
		{"dns." + d, a, ok, nil, nil},
		{"svc." + d, a, ok, nil, nil},
		{"pod." + d, a, ok, nil, nil},
		{"shop.svc." + d, a, ok, nil, nil},
		{"shop.pod." + d, a, ok, nil, nil},
		{"nowhere.svc." + d, a, nx, nil, nil},
		{"web.nowhere.svc." + d, a, nx, nil, nil},
		{"nothing.shop.svc." + d, a, nx, nil, nil},
		{"*.shop.svc." + d, a, nx, nil, nil},
		{"any.shop.svc." + d, a, nx, nil, nil},
		{"web.shop." + d, a, nx, nil, nil},
		{"a.b.c.d.web.shop.svc." + d, a, nx, nil, nil},
		{"kube-dns.kube-system.svc." + d, a, ok, []string{"kube-dns.kube-system.svc.cluster.local. 5 A 10.96.0.10"}, nil},
		// search paths try these first
		{"www.example.com.shop.svc." + d, a, nx, nil, nil},
		{"www.example.com.svc." + d, a, nx, nil, nil},
		{"www.example.com." + d, a, nx, nil, nil},
		{"www.example.com.", a, ok, []string{"www.example.com. 60 A 192.0.2.80"}, nil},
	}
}

func TestSpecification(t *testing.T) {
	api := apitest.Start(t)
	client := apitest.Admin(t, api)
	fill(t, client)
	outside := startResolver(t, known)
	s := serve(t, client, nil, func(o *Options) { o.Resolvers = []netip.AddrPort{outside.address} })
	for _, network := range []string{"udp", "tcp"} {
		for _, r := range records() {
			m := ask(t, s, network, r.name, r.qtype)
			what := network + " " + r.name + " " + mdns.TypeToString[r.qtype]
			require.Equal(t, mdns.RcodeToString[r.rcode], mdns.RcodeToString[m.Rcode], what)
			require.ElementsMatch(t, r.answer, lines(m.Answer), what)
			require.ElementsMatch(t, r.extra, lines(m.Extra), what)
			if mdns.IsSubDomain(d, r.name) && len(m.Answer) == 0 {
				require.Len(t, m.Ns, 1, what)
				soa, isSOA := m.Ns[0].(*mdns.SOA)
				require.True(t, isSOA, what)
				require.Equal(t, []uint32{ttl, ttl}, []uint32{soa.Hdr.Ttl, soa.Minttl}, what)
				require.True(t, m.Authoritative, what)
			}
		}
	}
	require.Equal(t, mdns.RcodeToString[bad], mdns.RcodeToString[ask(t, s, "udp", "circle.shop.svc."+d, mdns.TypeA).Rcode])
	require.Equal(t, "REFUSED", mdns.RcodeToString[ask(t, s, "tcp", d, mdns.TypeAXFR).Rcode])
	require.IsType(t, &mdns.SOA{}, ask(t, s, "udp", d, mdns.TypeSOA).Answer[0])
	t.Run("changes are seen at once", func(t *testing.T) { changes(t, s, client) })
	t.Run("the service is kept", func(t *testing.T) { kept(t, s, client) })
}

func changes(t *testing.T, s *Server, client kubernetes.Interface) {
	soon := func(name string, rcode int, answer ...string) {
		t.Helper()
		require.Eventually(t, func() bool {
			m := ask(t, s, "udp", name, mdns.TypeA)
			got := lines(m.Answer)
			return m.Rcode == rcode && len(got) == len(answer) && (len(got) == 0 || got[0] == answer[0])
		}, time.Second, tick, name)
	}
	name := "fresh.shop.svc." + d
	soon(name, nx)
	fresh, err := client.CoreV1().Services("shop").Create(t.Context(), decode[corev1.Service](t, `
metadata: {name: fresh, namespace: shop}
spec: {clusterIP: 10.96.7.7, ports: [{port: 80}]}
`), metav1.CreateOptions{})
	require.NoError(t, err)
	soon(name, ok, name+" 5 A 10.96.7.7")
	fresh.Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "db-0.db.shop.svc.cluster.local"}
	_, err = client.CoreV1().Services("shop").Update(t.Context(), fresh, metav1.UpdateOptions{})
	require.NoError(t, err)
	soon(name, ok, name+" 5 CNAME db-0.db.shop.svc.cluster.local.", "")
	require.NoError(t, client.CoreV1().Services("shop").Delete(t.Context(), "fresh", metav1.DeleteOptions{}))
	soon(name, nx)
}

// kept takes away what leads to the server. The server listens on loopback,
// which no endpoints may have, so that here it is only the Service.
func kept(t *testing.T, s *Server, client kubernetes.Interface) {
	services := client.CoreV1().Services(metav1.NamespaceSystem)
	have, err := services.Get(t.Context(), serviceName, metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, serviceIP().String(), have.Spec.ClusterIP)
	require.Equal(t, int32(servicePort), have.Spec.Ports[0].Port)
	require.Equal(t, int(s.port()), have.Spec.Ports[0].TargetPort.IntValue())
	version := have.ResourceVersion

	require.NoError(t, services.Delete(t.Context(), serviceName, metav1.DeleteOptions{}))
	require.Eventually(t, func() bool {
		have, err = services.Get(t.Context(), serviceName, metav1.GetOptions{})
		return err == nil && have.ResourceVersion != version
	}, waitFor, tick)

	have.Spec.Ports = have.Spec.Ports[:1]
	have.Spec.Ports[0].Port = 5353
	_, err = services.Update(t.Context(), have, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		have, err = services.Get(t.Context(), serviceName, metav1.GetOptions{})
		return err == nil && len(have.Spec.Ports) == 2 && have.Spec.Ports[0].Port == servicePort
	}, waitFor, tick)
}
