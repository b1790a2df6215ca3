package proxy

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
	"github.com/lubberline/lubberline/orchestrator/proxy/plan"
	"github.com/lubberline/lubberline/orchestrator/proxy/ruleset"
)

var benchSizes = []int{10, 1000, 10000}

// manyServices have one TCP port and two endpoints each.
func manyServices(n int) (services []*corev1.Service, endpointSlices []*discoveryv1.EndpointSlice) {
	for i := range n {
		name := fmt.Sprintf("s%d", i)
		s := service(name, fmt.Sprintf("10.96.%d.%d", i/250, 1+i%250))
		s.Spec.Ports = s.Spec.Ports[:1]
		services = append(services, s)
		endpointSlices = append(endpointSlices, endpoints(name, fmt.Sprintf("10.9.%d.%d", 1+i/250, 1+i%250), fmt.Sprintf("10.9.%d.%d", 101+i/250, 1+i%250)))
	}
	return services, endpointSlices
}

func planned(f plan.Facts, services []*corev1.Service, endpointSlices []*discoveryv1.EndpointSlice) *plan.Wanted {
	w := plan.NewWanted()
	for i, s := range services {
		w.Set(reconcile.Key(s), f.Of(s, endpointSlices[i:i+1]), plan.Changes{})
	}
	return w
}

var labFacts = plan.Facts{Node: "here", Pods: labPods, LocalPods: labLocal, Services: labServices}

// BenchmarkRealProgram plans and programs all services into an empty kernel.
func BenchmarkRealProgram(b *testing.B) {
	if newLab(b) == nil {
		return
	}
	nft, err := ruleset.Open(plan.TableName)
	require.NoError(b, err)
	for _, size := range benchSizes[1:] {
		services, slices := manyServices(size)
		b.Run(fmt.Sprint("services=", size), func(b *testing.B) {
			for b.Loop() {
				_, _, err := ruleset.New(nft, labFacts).Repair(b.Context(), planned(labFacts, services, slices))
				require.NoError(b, err)
				b.StopTimer()
				require.NoError(b, ruleset.Remove(b.Context(), nft))
				b.StartTimer()
			}
		})
	}
}

// BenchmarkRealCompare compares the kernel's table with the wanted one.
func BenchmarkRealCompare(b *testing.B) {
	if newLab(b) == nil {
		return
	}
	nft, err := ruleset.Open(plan.TableName)
	require.NoError(b, err)
	for _, size := range benchSizes {
		w := plannedMany(size)
		r := ruleset.New(nft, labFacts)
		_, _, err := r.Repair(b.Context(), w)
		require.NoError(b, err)
		b.Run(fmt.Sprint("services=", size), func(b *testing.B) {
			for b.Loop() {
				repaired, anew, err := r.Repair(b.Context(), w)
				require.NoError(b, err)
				require.NoError(b, anew)
				require.Zero(b, repaired)
			}
		})
	}
}

func plannedMany(size int) *plan.Wanted {
	services, slices := manyServices(size)
	return planned(labFacts, services, slices)
}

// BenchmarkRealEndpointChange is the time from the API's telling of one
// endpoint's change to the kernel's having it.
func BenchmarkRealEndpointChange(b *testing.B) {
	l := newLab(b)
	if l == nil {
		return
	}
	for _, size := range benchSizes {
		b.Run(fmt.Sprint("services=", size), func(b *testing.B) {
			benchmarkChange(&lab{TB: b}, b, size)
			_ = exec.Command("nft", "delete", "table", "ip", "lubberline").Run()
		})
	}
}

func benchmarkChange(l *lab, b *testing.B, size int) {
	services, slices := manyServices(size)
	var objects []runtime.Object
	for i := range services {
		objects = append(objects, services[i], slices[i])
	}
	c := newCluster(b, objects...)
	l.running(c)
	for i := 0; b.Loop(); i++ {
		n := i % size
		before, known := kernelGeneration(true)
		require.True(b, known)
		c.put(endpoints(services[n].Name, fmt.Sprintf("10.9.%d.%d", 201+i/250%50, 1+i%250), slices[n].Endpoints[1].Addresses[0]))
		for now := before; now == before; {
			now, _ = kernelGeneration(true)
			time.Sleep(100 * time.Microsecond)
		}
	}
}

// BenchmarkRealDataPath is connections with one answer each, by the pod's own
// address and by its service's among 1,000 others.
func BenchmarkRealDataPath(b *testing.B) {
	l := newLab(b)
	if l == nil {
		return
	}
	server, client := l.pod().serve(8080), l.pod()
	services, slices := manyServices(1000)
	services, slices = append(services, service("web", "10.96.200.1")), append(slices, endpoints("web", server.address))
	nft, err := ruleset.Open(plan.TableName)
	require.NoError(b, err)
	_, _, err = ruleset.New(nft, labFacts).Repair(b.Context(), planned(labFacts, services, slices))
	require.NoError(b, err)
	for name, address := range map[string]string{"pod": server.address + ":8080", "service": "10.96.200.1:80"} {
		b.Run(name, func(b *testing.B) {
			l.onThread(client.ns, func() error {
				for b.Loop() {
					c, err := net.Dial("tcp4", address)
					if err != nil {
						return err
					}
					_, err = askOn(c, "tcp4")
					if err = errors.Join(err, c.Close()); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
}
