package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

var facts = Facts{
	Node: "here", Pods: netip.MustParsePrefix("10.244.0.0/16"), LocalPods: netip.MustParsePrefix("10.244.0.0/24"),
	Services: netip.MustParsePrefix("10.96.0.0/16"),
}

func web(change ...func(*corev1.Service)) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, ClusterIP: "10.96.0.5", Ports: []corev1.ServicePort{{Port: 80}}},
	}
	for _, f := range change {
		f(s)
	}
	return s
}

// ep is an endpoint "ADDRESS [notready] [serving] [terminating] [here]".
func ep(text string) discoveryv1.Endpoint {
	words := strings.Fields(text)
	has := func(w string) bool { return slices.Contains(words, w) }
	e := discoveryv1.Endpoint{Addresses: words[:1]}
	if has("notready") {
		e.Conditions.Ready = ptr.To(false)
	}
	if has("serving") {
		e.Conditions.Serving = ptr.To(true)
	}
	if has("terminating") {
		e.Conditions.Terminating = ptr.To(true)
	}
	if has("here") {
		e.NodeName = ptr.To("here")
	}
	return e
}

func slice(endpoints ...string) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: "web-1"}, AddressType: discoveryv1.AddressTypeIPv4,
		Ports: []discoveryv1.EndpointPort{{Port: ptr.To[int32](8080)}},
	}
	for _, e := range endpoints {
		s.Endpoints = append(s.Endpoints, ep(e))
	}
	return s
}

// leads tells what an address is made to lead to: the addresses of its
// endpoints, or the verdict where it has none.
func leads(p *Plan, address string, nodePort bool) string {
	to := netip.MustParseAddrPort(address)
	name, key := FrontendKey(to, "tcp", nodePort)
	verdict, ok := p.Items[Item{MapElement, name, key}]
	if !ok {
		return "nowhere"
	}
	text := endpointsAt(p, to, nodePort, false)
	if local := endpointsAt(p, to, nodePort, true); local != "" {
		text += " | " + local
	}
	if text == "" {
		return verdict
	}
	return text
}

func endpointsAt(p *Plan, to netip.AddrPort, nodePort, local bool) string {
	var all []string
	name, key := EndpointsKey(to, "tcp", nodePort, local)
	for i := range 10 {
		if value, ok := p.Items[Item{MapElement, name, fmt.Sprint(key, " . ", i)}]; ok {
			all = append(all, strings.TrimSuffix(value, " . 8080"))
		}
	}
	return strings.Join(all, " ")
}

func nodePort(s *corev1.Service) {
	s.Spec.Type, s.Spec.Ports[0].NodePort = corev1.ServiceTypeNodePort, 30080
}

func external(s *corev1.Service) {
	s.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
}

func internal(s *corev1.Service) {
	s.Spec.InternalTrafficPolicy = ptr.To(corev1.ServiceInternalTrafficPolicyLocal)
}

func TestEndpointsThatAreUsed(t *testing.T) {
	for _, test := range []struct {
		name      string
		endpoints []string
		change    []func(*corev1.Service)
		cluster   string // where the cluster IP leads
		node      string // where the node port leads
	}{
		{"ready ones", []string{"10.0.0.2", "10.0.0.1", "10.0.0.3 notready"}, nil, "10.0.0.1 10.0.0.2", "10.0.0.1 10.0.0.2"},
		{"ready that ends is not left", []string{"10.0.0.1", "10.0.0.2 notready serving terminating"}, nil, "10.0.0.1", "10.0.0.1"},
		{"those that still serve when none is ready", []string{"10.0.0.1 notready", "10.0.0.2 notready serving terminating"}, nil, "10.0.0.2", "10.0.0.2"},
		{"none", []string{"10.0.0.1 notready", "10.0.0.2 notready terminating"}, nil, refuse, refuse},
		{"no endpoints", nil, nil, refuse, refuse},
		{"local from outside", []string{"10.0.0.1 here", "10.0.0.2"}, []func(*corev1.Service){external}, "10.0.0.1 10.0.0.2", "10.0.0.1 10.0.0.2 | 10.0.0.1"},
		{"local from outside, none here", []string{"10.0.0.2"}, []func(*corev1.Service){external}, "10.0.0.2", "10.0.0.2"},
		{"local that ends", []string{"10.0.0.1 here notready serving terminating", "10.0.0.2"}, []func(*corev1.Service){external}, "10.0.0.2", "10.0.0.2 | 10.0.0.1"},
		{"local from within", []string{"10.0.0.1 here", "10.0.0.2"}, []func(*corev1.Service){internal}, "10.0.0.1", "10.0.0.1 10.0.0.2"},
		{"local from within, none here", []string{"10.0.0.2"}, []func(*corev1.Service){internal}, drop, "10.0.0.2"},
		{"local from within, none at all", nil, []func(*corev1.Service){internal, external}, refuse, refuse},
		{"one address twice", []string{"10.0.0.1 notready", "10.0.0.1"}, nil, "10.0.0.1", "10.0.0.1"},
		{"no loops", []string{"10.96.0.5", "10.96.7.7", "10.0.0.1"}, nil, "10.0.0.1", "10.0.0.1"},
		{"nonsense", []string{"here", "fd00::1", "10.0.0.1"}, nil, "10.0.0.1", "10.0.0.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := facts.Of(web(append(test.change, nodePort)...), []*discoveryv1.EndpointSlice{slice(test.endpoints...)})
			require.Equal(t, test.cluster, leads(p, "10.96.0.5:80", false))
			require.Equal(t, test.node, leads(p, "192.0.2.1:30080", true))
		})
	}
}

func TestServicesThatAreNotServed(t *testing.T) {
	for name, change := range map[string]func(*corev1.Service){
		"headless":   func(s *corev1.Service) { s.Spec.ClusterIP = corev1.ClusterIPNone },
		"no address": func(s *corev1.Service) { s.Spec.ClusterIP = "" },
		"external name": func(s *corev1.Service) {
			s.Spec.Type, s.Spec.ExternalName = corev1.ServiceTypeExternalName, "example.org"
		},
		"another proxy": func(s *corev1.Service) { s.Labels = map[string]string{labelProxyName: "other"} },
	} {
		p := facts.Of(web(change), []*discoveryv1.EndpointSlice{slice("10.0.0.1")})
		require.Empty(t, p.Items, name)
		require.Empty(t, p.Problems, name)
	}
	six := facts.Of(web(func(s *corev1.Service) { s.Spec.ClusterIP = "fd00::5" }), []*discoveryv1.EndpointSlice{slice("10.0.0.1")})
	for i := range six.Items {
		require.NotEqual(t, MapServices, i.Name, "IPv6 is not served")
	}
}

func TestPortsByName(t *testing.T) {
	s := web(func(s *corev1.Service) {
		s.Spec.Ports = []corev1.ServicePort{{Name: "a", Port: 80}, {Name: "b", Port: 81}, {Name: "c", Port: 82, Protocol: corev1.ProtocolUDP}}
	})
	one := slice("10.0.0.1")
	one.Ports = []discoveryv1.EndpointPort{
		{Name: ptr.To("a"), Port: ptr.To[int32](8080)}, {Name: ptr.To("c"), Port: ptr.To[int32](8080)}, {Name: ptr.To("b")},
	}
	two := slice("10.0.0.2")
	two.Ports = []discoveryv1.EndpointPort{{Name: ptr.To("b"), Port: ptr.To[int32](8080)}}
	six := slice("fd00::1")
	six.AddressType = discoveryv1.AddressTypeIPv6
	p := facts.Of(s, []*discoveryv1.EndpointSlice{one, two, six})
	require.Equal(t, "10.0.0.1", leads(p, "10.96.0.5:80", false))
	require.Equal(t, "10.0.0.2", leads(p, "10.96.0.5:81", false))
	require.Equal(t, refuse, p.Items[Item{MapElement, MapServices, "10.96.0.5 . udp . 82"}], "the slice's port is TCP")
}

func TestProblemsAreTold(t *testing.T) {
	s := web(nodePort, func(s *corev1.Service) {
		s.Spec.Type = corev1.ServiceTypeLoadBalancer
		s.Spec.LoadBalancerSourceRanges = []string{"10.0.0.0/8", "nothing"}
	})
	p := facts.Of(s, []*discoveryv1.EndpointSlice{slice("10.96.1.1", "x")})
	require.Equal(t, []string{
		`loadBalancerSourceRanges: "nothing": not a network`,
		"endpoint 10.96.1.1 of web-1 is a service's address: services cannot lead to services",
		`endpoint "x" of web-1: not an IPv4 address`,
	}, p.Problems)
}

func TestHealthOfBalancedServices(t *testing.T) {
	s := web(nodePort, external, func(s *corev1.Service) {
		s.Spec.Type, s.Spec.HealthCheckNodePort = corev1.ServiceTypeLoadBalancer, 31000
	})
	p := facts.Of(s, []*discoveryv1.EndpointSlice{slice("10.0.0.1 here", "10.0.0.2 here notready", "10.0.0.3")})
	require.Equal(t, &Health{Port: 31000, LocalEndpoints: 1}, p.Health)
	require.Nil(t, facts.Of(web(nodePort, external), nil).Health)
}

func TestFlows(t *testing.T) {
	s := web(nodePort, func(s *corev1.Service) { s.Spec.Ports[0].Protocol = corev1.ProtocolUDP })
	sl := slice("10.0.0.1", "10.0.0.2 notready serving terminating", "10.0.0.3 notready")
	sl.Ports[0].Protocol = ptr.To(corev1.ProtocolUDP)
	p := facts.Of(s, []*discoveryv1.EndpointSlice{sl})
	may := []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:8080"), netip.MustParseAddrPort("10.0.0.2:8080")}
	require.Equal(t, map[Frontend][]netip.AddrPort{
		{Address: netip.MustParseAddr("10.96.0.5"), Protocol: corev1.ProtocolUDP, Port: 80}: may,
		{Protocol: corev1.ProtocolUDP, Port: 30080}:                                         may,
	}, p.Flows, "flows to those that still serve stay")
}

// TestClashes: the older of two services has the address, whoever comes first.
func TestClashes(t *testing.T) {
	at := func(seconds int64) func(*corev1.Service) {
		return func(s *corev1.Service) { s.CreationTimestamp = metav1.NewTime(time.Unix(seconds, 0)) }
	}
	old := facts.Of(web(at(1), func(s *corev1.Service) { s.Name = "old" }), []*discoveryv1.EndpointSlice{slice("10.0.0.1")})
	young := facts.Of(web(at(2)), []*discoveryv1.EndpointSlice{slice("10.0.0.2", "10.0.0.3")})
	frontend := Item{MapElement, MapServices, "10.96.0.5 . tcp . 80"}
	endpoint := Item{MapElement, "tcp-endpoints", "10.96.0.5 . 80 . 0"}

	w := NewWanted()
	w.Set("default/web", young, Changes{})
	require.Empty(t, w.Clashes("default/web"))
	require.Equal(t, "goto tcp-cluster-2", *w.Value(frontend))

	changes := Changes{}
	w.Set("default/old", old, changes)
	require.Equal(t, "goto tcp-cluster-1", *w.Value(frontend))
	require.Equal(t, "10.0.0.1 . 8080", *w.Value(endpoint))
	require.Equal(t, "goto tcp-cluster-2", *changes[frontend])
	require.Equal(t, map[string]string{"10.96.0.5 . tcp . 80": "default/old"}, w.Clashes("default/web"))
	require.Empty(t, w.Clashes("default/old"))

	w.Set("default/old", nil, changes)
	require.Equal(t, "goto tcp-cluster-2", *w.Value(frontend))
	require.Equal(t, "10.0.0.2 . 8080", *w.Value(endpoint))
	require.Empty(t, w.Clashes("default/web"))
	w.Set("default/web", nil, changes)
	require.Empty(t, w.Values())
}

// TestChangesAreFew: one endpoint's change touches its own service's items only.
func TestChangesAreFew(t *testing.T) {
	w := NewWanted()
	for i := range 500 {
		s := web(func(s *corev1.Service) {
			s.Name, s.Spec.ClusterIP = fmt.Sprint("s", i), fmt.Sprintf("10.96.%d.%d", i/250, 1+i%250)
		})
		w.Set("default/"+s.Name, facts.Of(s, []*discoveryv1.EndpointSlice{slice("10.0.0.1", "10.0.0.2")}), Changes{})
	}
	changes := Changes{}
	s := web(func(s *corev1.Service) { s.Name, s.Spec.ClusterIP = "s7", "10.96.0.8" })
	w.Set("default/s7", facts.Of(s, []*discoveryv1.EndpointSlice{slice("10.0.0.1", "10.0.0.9")}), changes)
	require.Equal(t, Changes{Item{MapElement, "tcp-endpoints", "10.96.0.8 . 80 . 1"}: ptr.To("10.0.0.2 . 8080")}, changes)
	w.Set("default/s7", facts.Of(s, []*discoveryv1.EndpointSlice{slice("10.0.0.1", "10.0.0.2")}), changes)
	require.Len(t, changes, 1, "the first value is kept")
}

func TestStickyEndpoint(t *testing.T) {
	s := web(nodePort, external, func(s *corev1.Service) { s.Spec.SessionAffinity = corev1.ServiceAffinityClientIP })
	p := facts.Of(s, []*discoveryv1.EndpointSlice{slice("10.0.0.1 here", "10.0.0.2")})
	action := strings.TrimPrefix(p.Items[Item{MapElement, MapNodePorts, "tcp . 30080"}], "goto ")
	found := map[string]bool{}
	for i := range p.Items {
		if to, ok := StickyEndpoint(action, i.Name); ok && i.Kind == Chain {
			found[to.String()] = true
		}
	}
	require.Equal(t, map[string]bool{"10.0.0.1:8080": true, "10.0.0.2:8080": true}, found)
	_, ok := StickyEndpoint("cluster-other", "endpoint-x-10.0.0.1-80")
	require.False(t, ok)
}

func TestSourcesDoNotOverlap(t *testing.T) {
	require.Equal(t, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.0/24")},
		sourcesOf(&Plan{}, []string{"192.0.2.0/24", "10.1.2.0/24", " 10.0.0.0/8", "192.0.2.7/24", "fd00::/8"}))
	require.Empty(t, sourcesOf(&Plan{}, []string{"10.0.0.0/8", "0.0.0.0/0"}))
}

func FuzzOf(f *testing.F) {
	f.Add("10.96.0.5", "10.0.0.1", "192.0.2.1", "10.0.0.0/8", int32(80), int32(30080))
	f.Fuzz(func(t *testing.T, ip, endpoint, ingress, source string, port, node int32) {
		s := web(nodePort, func(s *corev1.Service) {
			s.Spec.Type, s.Spec.ClusterIP, s.Spec.ExternalIPs = corev1.ServiceTypeLoadBalancer, ip, []string{ingress}
			s.Spec.LoadBalancerSourceRanges = []string{source}
			s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: ingress}}
			s.Spec.Ports[0].Port, s.Spec.Ports[0].NodePort = port, node
		})
		sl := slice()
		sl.Endpoints = []discoveryv1.Endpoint{{Addresses: []string{endpoint}}}
		for i, value := range facts.Of(s, []*discoveryv1.EndpointSlice{sl}).Items {
			require.NotContains(t, i.Name+i.Key, "\n")
			if i.Kind != Chain {
				require.NotContains(t, value, "\n")
			}
		}
	})
}
