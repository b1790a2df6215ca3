package dns

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"

	mdns "github.com/miekg/dns"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
)

// many makes n services with two endpoints each, every other one headless.
func many(n int) []apiruntime.Object {
	var all []apiruntime.Object
	for i := range n {
		name := fmt.Sprintf("svc-%d", i)
		ip := netip.AddrFrom4([4]byte{10, 96, byte(1 + i>>8), byte(i)}).String()
		if i%2 == 1 {
			ip = corev1.ClusterIPNone
		}
		all = append(all, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop"},
			Spec:       corev1.ServiceSpec{ClusterIP: ip, Ports: []corev1.ServicePort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP}}},
		}, &discoveryv1.EndpointSlice{
			ObjectMeta:  metav1.ObjectMeta{Name: name, Namespace: "shop", Labels: map[string]string{discoveryv1.LabelServiceName: name}},
			AddressType: discoveryv1.AddressTypeIPv4,
			Ports:       []discoveryv1.EndpointPort{{Name: ptr.To("http"), Port: ptr.To[int32](8080)}},
			Endpoints: []discoveryv1.Endpoint{
				{Addresses: []string{netip.AddrFrom4([4]byte{10, 244, byte(i >> 8), byte(i)}).String()}},
				{Addresses: []string{netip.AddrFrom4([4]byte{10, 245, byte(i >> 8), byte(i)}).String()}},
			},
		})
	}
	return all
}

// BenchmarkQueries asks over UDP, from as many sockets as GOMAXPROCS times
// eight, one question after the other on each.
func BenchmarkQueries(b *testing.B) {
	for _, services := range []int{10, 5000} {
		s := offline(b, many(services), resolvers(startResolver(b, known).address))
		for _, q := range []struct {
			what, name string
			qtype      uint16
		}{
			{"cluster IP", "svc-4.shop.svc.cluster.local.", mdns.TypeA},
			{"headless", "svc-5.shop.svc.cluster.local.", mdns.TypeA},
			{"port", "_http._tcp.svc-4.shop.svc.cluster.local.", mdns.TypeSRV},
			{"reverse", "4.1.96.10.in-addr.arpa.", mdns.TypePTR},
			{"nothing", "www.example.com.shop.svc.cluster.local.", mdns.TypeA},
			{"remembered", "www.example.com.", mdns.TypeA},
		} {
			b.Run(fmt.Sprintf("services=%d/%s", services, q.what), func(b *testing.B) { flood(b, s, q.name, q.qtype) })
		}
	}
}

func flood(b *testing.B, s *Server, name string, qtype uint16) {
	wire, err := new(mdns.Msg).SetQuestion(name, qtype).Pack()
	require.NoError(b, err)
	var failures atomic.Int64
	b.SetParallelism(8)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.Addresses()[0]))
		if err != nil {
			failures.Add(1)
			return
		}
		defer conn.Close()
		buffer := make([]byte, 1500)
		for pb.Next() {
			if _, err := conn.Write(wire); err != nil {
				failures.Add(1)
			}
			if n, err := conn.Read(buffer); err != nil || n < 12 {
				failures.Add(1)
			}
		}
	})
	require.Zero(b, failures.Load())
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "queries/s")
}

// BenchmarkFullCache tells how much the answers of others take at most.
func BenchmarkFullCache(b *testing.B) {
	outside := startResolver(b, known)
	for b.Loop() {
		s := offline(b, nil, resolvers(outside.address))
		before := heap()
		for i := range 30_000 {
			_, err := exchange(s, "udp", fmt.Sprintf("n%d.example.com.", i), mdns.TypeA)
			require.NoError(b, err)
		}
		b.ReportMetric(float64(heap()-before)/(1<<20), "MiB")
		runtime.KeepAlive(s)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
