package ruleset

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/knftables"

	"github.com/lubberline/lubberline/orchestrator/proxy/plan"
)

var update = flag.Bool("update", false, "write the golden files")

var facts = plan.Facts{
	Node: "here", Pods: netip.MustParsePrefix("10.244.0.0/16"), LocalPods: netip.MustParsePrefix("10.244.0.0/24"),
	Services: netip.MustParsePrefix("10.96.0.0/16"),
}

func service(name, ip string, change ...func(*corev1.Service)) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, ClusterIP: ip, Ports: []corev1.ServicePort{
			{Port: 80, Protocol: corev1.ProtocolTCP},
		}},
	}
	for _, f := range change {
		f(s)
	}
	return s
}

// slice has endpoints on port 8080: those of 10.244.0.0/24 are here.
func slice(addresses ...string) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: "slice"}, AddressType: discoveryv1.AddressTypeIPv4,
		Ports: []discoveryv1.EndpointPort{{Port: ptr.To[int32](8080)}},
	}
	for _, a := range addresses {
		e := discoveryv1.Endpoint{Addresses: []string{a}}
		if facts.LocalPods.Contains(netip.MustParseAddr(a)) {
			e.NodeName = ptr.To(facts.Node)
		}
		s.Endpoints = append(s.Endpoints, e)
	}
	return s
}

func nodePort(s *corev1.Service) {
	s.Spec.Type = corev1.ServiceTypeNodePort
	s.Spec.Ports[0].NodePort = 30080
}

func local(s *corev1.Service) {
	s.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
}

func sticky(s *corev1.Service) { s.Spec.SessionAffinity = corev1.ServiceAffinityClientIP }

func balanced(s *corev1.Service) {
	nodePort(s)
	s.Spec.Type = corev1.ServiceTypeLoadBalancer
	s.Spec.LoadBalancerSourceRanges = []string{"203.0.113.0/24", "198.51.100.7/32"}
	s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.9"}, {IP: "192.0.2.10", IPMode: ptr.To(corev1.LoadBalancerIPModeProxy)}}
}

// TestGolden holds the whole table against files, for services of every sort.
func TestGolden(t *testing.T) {
	for _, test := range []struct {
		name    string
		service *corev1.Service
		slice   *discoveryv1.EndpointSlice
	}{
		{"cluster-ip", service("web", "10.96.0.5"), slice("10.244.0.5", "10.244.1.5")},
		{"no-endpoints", service("web", "10.96.0.5", nodePort), slice()},
		{"node-port", service("web", "10.96.0.5", nodePort), slice("10.244.0.5", "10.244.1.5")},
		{"local", service("web", "10.96.0.5", nodePort, local), slice("10.244.0.5", "10.244.1.5", "10.244.1.6")},
		{"local-none-here", service("web", "10.96.0.5", nodePort, local), slice("10.244.1.5")},
		{"sticky", service("web", "10.96.0.5", nodePort, sticky), slice("10.244.0.5", "10.244.1.5")},
		{"load-balancer", service("web", "10.96.0.5", balanced), slice("10.244.0.5")},
		{"load-balancer-local-sticky", service("web", "10.96.0.5", balanced, local, sticky), slice("10.244.0.5", "10.244.1.5")},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := plan.NewWanted()
			w.Set("default/web", facts.Of(test.service, []*discoveryv1.EndpointSlice{test.slice}), plan.Changes{})
			fake := knftables.NewFake(knftables.IPv4Family, plan.TableName)
			_, anew, err := New(fake, facts).Repair(t.Context(), w)
			require.NoError(t, err)
			require.Error(t, anew, "there was no table")

			file := filepath.Join("testdata", test.name+".nft")
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(fake.Dump()), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(want), fake.Dump())
		})
	}
}

func TestRepairs(t *testing.T) {
	w := plan.NewWanted()
	w.Set("default/a", facts.Of(service("a", "10.96.0.5", sticky), []*discoveryv1.EndpointSlice{slice("10.244.0.5")}), plan.Changes{})
	w.Set("default/b", facts.Of(service("b", "10.96.0.6"), []*discoveryv1.EndpointSlice{slice("10.244.0.5", "10.244.1.7")}), plan.Changes{})
	fake := knftables.NewFake(knftables.IPv4Family, plan.TableName)
	r := New(fake, facts)
	_, _, err := r.Repair(t.Context(), w)
	require.NoError(t, err)
	whole := fake.Dump()

	for name, damage := range map[string]func(*knftables.Transaction){
		"nothing":          func(*knftables.Transaction) {},
		"no table":         func(tx *knftables.Transaction) { tx.Delete(&knftables.Table{}) },
		"no frame":         func(tx *knftables.Transaction) { tx.Flush(&knftables.Chain{Name: "dispatch"}) },
		"empty chain":      func(tx *knftables.Transaction) { tx.Flush(&knftables.Chain{Name: "tcp-cluster-2"}) },
		"empty map":        func(tx *knftables.Transaction) { tx.Flush(&knftables.Map{Name: "services"}) },
		"another endpoint": func(tx *knftables.Transaction) { replace(tx, "tcp-endpoints", "10.96.0.6 . 80 . 1", "10.1.1.1 . 1") },
		"more elements": func(tx *knftables.Transaction) {
			tx.Add(&knftables.Element{Map: "services", Key: []string{"10.96.0.7", "tcp", "80"}, Value: []string{"drop"}})
		},
		"more rules": func(tx *knftables.Transaction) {
			tx.Add(&knftables.Rule{Chain: "tcp-cluster-2", Rule: "drop"})
		},
		"more maps":   func(tx *knftables.Transaction) { tx.Add(&knftables.Map{Name: "more", Type: "ipv4_addr : verdict"}) },
		"more sets":   func(tx *knftables.Transaction) { tx.Add(&knftables.Set{Name: "more", Type: "ipv4_addr"}) },
		"more chains": func(tx *knftables.Transaction) { tx.Add(&knftables.Chain{Name: "more"}) },
	} {
		t.Run(name, func(t *testing.T) {
			tx := fake.NewTransaction()
			damage(tx)
			require.NoError(t, fake.Run(t.Context(), tx))
			repaired, _, err := r.Repair(t.Context(), w)
			require.NoError(t, err)
			err = r.RemoveUnused(t.Context())
			require.NoError(t, err)
			require.Equal(t, whole, fake.Dump())
			require.Equal(t, name == "nothing", repaired == 0)
		})
	}
}

func replace(tx *knftables.Transaction, name, key, value string) {
	i := plan.Item{Kind: plan.MapElement, Name: name, Key: key}
	tx.Delete(element(i, &value))
	tx.Add(element(i, &value))
}

// TestWhatOthersLeadToIsMadeBefore: the transaction that leads packets to a chain
// is after the one that makes it.
func TestWhatOthersLeadToIsMadeBefore(t *testing.T) {
	fake := knftables.NewFake(knftables.IPv4Family, plan.TableName)
	w, r := plan.NewWanted(), New(fake, facts)
	_, _, err := r.Repair(t.Context(), w)
	require.NoError(t, err)
	changes := plan.Changes{}
	w.Set("default/a", facts.Of(service("a", "10.96.0.5", sticky), []*discoveryv1.EndpointSlice{slice("10.244.0.5")}), changes)
	require.NoError(t, r.Apply(t.Context(), changes, w))
	require.EqualValues(t, 3, r.Transactions())
	last := fake.LastTransaction.String()
	require.Contains(t, last, "add element")
	require.NotContains(t, last, "add rule")
}

// TestSimulation changes random services and endpoints one by one. After every
// step the kernel holds what is wanted, and at the end that is what a plan of
// everything from nothing says.
func TestSimulation(t *testing.T) {
	const runs = 6
	t.Attr("runs", fmt.Sprint(runs))
	for seed := range uint64(runs) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { simulate(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func simulate(t *testing.T, random *rand.Rand) {
	fake := knftables.NewFake(knftables.IPv4Family, plan.TableName)
	w, r := plan.NewWanted(), New(fake, facts)
	_, _, err := r.Repair(t.Context(), w)
	require.NoError(t, err)
	services := map[string]*corev1.Service{}
	slices := map[string]*discoveryv1.EndpointSlice{}
	for step := range 150 {
		changes := plan.Changes{}
		for range 1 + random.IntN(3) {
			name := fmt.Sprintf("default/s%d", random.IntN(12))
			switch random.IntN(6) {
			case 0:
				delete(services, name)
			case 1, 2:
				services[name] = randomService(random, name)
			default:
				slices[name] = randomSlice(random)
			}
			w.Set(name, planOf(services[name], slices[name]), changes)
		}
		require.NoError(t, r.Apply(t.Context(), changes, w), "step %d", step)
		if random.IntN(5) == 0 {
			err := r.RemoveUnused(t.Context())
			require.NoError(t, err)
		}
		have, err := r.read(t.Context())
		require.NoError(t, err)
		require.Empty(t, differences(have, w), "step %d", step)
	}
	fresh := plan.NewWanted()
	for name, s := range services {
		fresh.Set(name, planOf(s, slices[name]), plan.Changes{})
	}
	require.Equal(t, fresh.Values(), w.Values())
	for name := range services {
		w.Set(name, nil, plan.Changes{})
	}
	require.Empty(t, w.Values(), "nobody wants anything")
}

func planOf(s *corev1.Service, slice *discoveryv1.EndpointSlice) *plan.Plan {
	if s == nil {
		return nil
	}
	if slice == nil {
		return facts.Of(s, nil)
	}
	return facts.Of(s, []*discoveryv1.EndpointSlice{slice})
}

// randomService may clash with others in its cluster IP and its node port.
func randomService(random *rand.Rand, name string) *corev1.Service {
	s := service(name[len("default/"):], fmt.Sprintf("10.96.0.%d", 1+random.IntN(9)))
	s.CreationTimestamp = metav1.NewTime(time.Unix(int64(random.IntN(1000)), 0))
	for _, change := range []func(*corev1.Service){nodePort, balanced, local, sticky, func(s *corev1.Service) {
		s.Spec.InternalTrafficPolicy = ptr.To(corev1.ServiceInternalTrafficPolicyLocal)
	}, func(s *corev1.Service) { s.Spec.ExternalIPs = []string{"203.0.113.1"} },
		func(s *corev1.Service) { s.Spec.Ports[0].Protocol = corev1.ProtocolUDP }} {
		if random.IntN(3) == 0 {
			change(s)
		}
	}
	return s
}

func randomSlice(random *rand.Rand) *discoveryv1.EndpointSlice {
	s := slice()
	s.Ports[0].Protocol = ptr.To([]corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP}[random.IntN(2)])
	for range random.IntN(5) {
		e := discoveryv1.Endpoint{
			Addresses:  []string{fmt.Sprintf("10.244.%d.%d", random.IntN(2), 1+random.IntN(6))},
			Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(random.IntN(3) > 0), Serving: ptr.To(true), Terminating: ptr.To(random.IntN(3) == 0)},
		}
		if random.IntN(2) == 0 {
			e.NodeName = ptr.To(facts.Node)
		}
		s.Endpoints = append(s.Endpoints, e)
	}
	return s
}
