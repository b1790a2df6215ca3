package loadbalancer

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"

	"github.com/lubberline/lubberline/orchestrator/controller/simtest"
)

// TestSimulation makes, changes and deletes services and nodes in random orders,
// with old caches and failures, and checks:
//   - Exclusive: no two services ever have the same address of the pool;
//   - Foreign: the addresses of a service with a class are never written;
//   - Converged: in the end every service has an address of the pool, its wish if
//     it has one, or there is none for it; or has those of the nodes that may take
//     its clients, or an older service has its port; and no other service has any.
func TestSimulation(t *testing.T) {
	const runs = 300
	given, refused := 0, 0
	for seed := range uint64(runs) {
		s := newSimulation(t, seed)
		s.run()
		given, refused = given+s.given, refused+s.refused
	}
	require.Greater(t, given, runs, "services get addresses at all")
	require.Greater(t, refused, runs/4, "addresses are short at times")
}

var pool = []netip.Prefix{netip.MustParsePrefix("192.0.2.8/31"), netip.MustParsePrefix("198.51.100.1/32")}

const reservedPort = 6443

type simulation struct {
	*simtest.World
	t              *testing.T
	seed           uint64
	pool           bool
	made           int
	given, refused int
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	s := &simulation{World: simtest.New(seed), t: t, seed: seed, pool: seed%2 == 0}
	s.Faults = simtest.Faults{Refused: .1 * s.Rand.Float64(), Lost: .1 * s.Rand.Float64(), Conflict: .2 * s.Rand.Float64()}
	o := Options{Client: s.Client(), Informers: s.Informers(), Events: s.Events(), Clock: s.Clock, NodePorts: []int32{reservedPort}}
	if s.pool {
		o.Pool = pool
	}
	c, err := New(o)
	require.NoError(t, err)
	s.Loops = c.Loops()
	s.API.OnWrite = s.check
	return s
}

func (s *simulation) require(ok bool, format string, args ...any) {
	s.t.Helper()
	require.True(s.t, ok, "seed %d: %s", s.seed, fmt.Sprintf(format, args...))
}

func (s *simulation) check(w simtest.Write) {
	service, ok := w.Current.(*corev1.Service)
	if !ok || !w.ByController {
		return
	}
	s.require(service.Spec.LoadBalancerClass == nil, "Foreign: %s", service.Name)
	if !s.pool {
		return
	}
	owners := map[string]string{}
	for _, other := range simtest.List[*corev1.Service](s.API) {
		for _, address := range ips(other) {
			s.require(owners[address] == "", "Exclusive: %s is of %s and %s", address, owners[address], other.Name)
			owners[address] = other.Name
		}
	}
}

func ips(s *corev1.Service) []string {
	var all []string
	for _, in := range s.Status.LoadBalancer.Ingress {
		all = append(all, in.IP)
	}
	return all
}

func (s *simulation) run() {
	for i := range 3 {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("node-", i)}, Status: corev1.NodeStatus{
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
			Addresses:  []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: fmt.Sprint("10.0.0.", i)}, {Type: corev1.NodeHostName, Address: "name"}},
		}}
		if i == 0 {
			node.Status.Addresses = append(node.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeExternalIP, Address: "203.0.113.1"})
		}
		_, err := s.API.Create(node)
		require.NoError(s.t, err)
	}
	for range 400 {
		if s.Chance(.15) {
			s.disturb()
		}
		s.Step(s.t.Context())
	}
	s.require(s.Settle(s.t.Context(), time.Hour, nil), "Converged: still busy")
	for _, service := range simtest.List[*corev1.Service](s.API) {
		if s.pool {
			s.checkPool(service)
		} else {
			s.checkNodes(service)
		}
	}
}

func (s *simulation) disturb() {
	services := simtest.List[*corev1.Service](s.API)
	pick := func(n int) int { return s.Rand.IntN(n) }
	switch n := pick(10); {
	case n < 3 && len(services) < 6 || len(services) == 0:
		s.addService()
	case n < 5:
		require.NoError(s.t, s.API.Delete(services[pick(len(services))], nil))
	case n < 8:
		s.changeService(services[pick(len(services))].Name)
	default:
		s.changeNode(fmt.Sprint("node-", pick(3)))
	}
}

func (s *simulation) addService() {
	s.made++
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: fmt.Sprint("s-", s.made%8)}, Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeLoadBalancer, IPFamilies: []corev1.IPFamily{corev1.IPv4Protocol},
		Ports: []corev1.ServicePort{{Port: []int32{80, 81, 82, 83, reservedPort}[s.Rand.IntN(5)], Protocol: corev1.ProtocolTCP}},
	}}
	if s.Chance(.2) {
		service.Spec.LoadBalancerClass = ptr.To("example.org/other")
	}
	if s.Chance(.3) {
		service.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	}
	s.wish(service)
	if _, err := s.API.Create(service); err != nil {
		return // the name is taken
	}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: service.Name, Labels: map[string]string{discoveryv1.LabelServiceName: service.Name}},
		Endpoints:  []discoveryv1.Endpoint{{NodeName: ptr.To("node-1"), Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(s.Chance(.5))}}},
	}
	_, _ = s.API.Create(slice) // an earlier one stays
}

func (s *simulation) wish(service *corev1.Service) {
	service.Spec.LoadBalancerIP, service.Annotations = "", nil
	switch wishes := []string{"192.0.2.9", "198.51.100.1", "10.9.9.9", "nonsense"}; s.Rand.IntN(6) {
	case 0:
		service.Spec.LoadBalancerIP = wishes[s.Rand.IntN(len(wishes))]
	case 1:
		service.Annotations = map[string]string{AddressAnnotation: wishes[s.Rand.IntN(len(wishes))]}
	}
}

// changeService does what the API does to the status of other types.
func (s *simulation) changeService(name string) {
	simtest.Change(s.API, "ns", name, func(service *corev1.Service) {
		switch s.Rand.IntN(4) {
		case 0:
			service.Spec.Type, service.Spec.LoadBalancerClass, service.Status.LoadBalancer.Ingress = corev1.ServiceTypeClusterIP, nil, nil
		case 1:
			service.Spec.Type = corev1.ServiceTypeLoadBalancer
		case 2:
			s.wish(service)
		default:
			service.Status.LoadBalancer.Ingress = nil // by somebody else
		}
	})
	simtest.Change(s.API, "ns", name, func(slice *discoveryv1.EndpointSlice) {
		slice.Endpoints = []discoveryv1.Endpoint{{NodeName: ptr.To("node-1"), Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(s.Chance(.5))}}}
	})
}

func (s *simulation) changeNode(name string) {
	simtest.Change(s.API, "", name, func(n *corev1.Node) {
		n.Labels = nil
		if s.Chance(.3) {
			n.Labels = map[string]string{corev1.LabelNodeExcludeBalancers: ""}
		}
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
		if s.Chance(.3) {
			n.Status.Conditions[0].Status = corev1.ConditionUnknown
		}
	})
}

func (s *simulation) checkPool(service *corev1.Service) {
	has := ips(service)
	if !isOurs(service) {
		s.require(len(has) == 0, "Converged: %s has %v", service.Name, has)
		return
	}
	used := sets.New[string]()
	for _, other := range simtest.List[*corev1.Service](s.API) {
		used.Insert(ips(other)...)
	}
	wish := service.Spec.LoadBalancerIP
	if wish == "" {
		wish = service.Annotations[AddressAnnotation]
	}
	s.count(len(has) > 0)
	switch {
	case len(has) == 0 && wish == "":
		s.require(len(used) == 3, "Converged: %s has no address, used are %v", service.Name, used)
	case len(has) == 0:
		s.require(used.Has(wish) || wish == "10.9.9.9" || wish == "nonsense", "Converged: %s does not get %s", service.Name, wish)
	default:
		s.require(len(has) == 1 && (wish == "" || wish == has[0]), "Converged: %s has %v and wishes for %q", service.Name, has, wish)
	}
}

func (s *simulation) checkNodes(service *corev1.Service) {
	has := ips(service)
	wanted := []string{}
	if isOurs(service) && !s.portTaken(service) {
		for _, n := range simtest.List[*corev1.Node](s.API) {
			_, excluded := n.Labels[corev1.LabelNodeExcludeBalancers]
			ready := n.Status.Conditions[0].Status == corev1.ConditionTrue
			if !excluded && ready && (service.Spec.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal || n.Name == "node-1" && s.hasEndpoint(service)) {
				wanted = append(wanted, map[string]string{"node-0": "203.0.113.1", "node-1": "10.0.0.1", "node-2": "10.0.0.2"}[n.Name])
			}
		}
	}
	slices.Sort(wanted)
	slices.Sort(has)
	s.count(len(has) > 0)
	s.require(slices.Equal(has, wanted), "Converged: %s has %v, not %v", service.Name, has, wanted)
}

func (s *simulation) hasEndpoint(service *corev1.Service) bool {
	return *simtest.Get[*discoveryv1.EndpointSlice](s.API, "ns", service.Name).Endpoints[0].Conditions.Ready
}

func (s *simulation) portTaken(service *corev1.Service) bool {
	port := service.Spec.Ports[0].Port
	return port == reservedPort || slices.ContainsFunc(simtest.List[*corev1.Service](s.API), func(other *corev1.Service) bool {
		return isOurs(other) && compareAge(other, service) < 0 && other.Spec.Ports[0].Port == port
	})
}

func (s *simulation) count(given bool) {
	if given {
		s.given++
	} else {
		s.refused++
	}
}
