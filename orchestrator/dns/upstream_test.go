package dns

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

// resolver stands for one of the machine's.
type testResolver struct {
	address netip.AddrPort
	asked   atomic.Int64
}

func startResolver(t testing.TB, answer func(w mdns.ResponseWriter, r *mdns.Msg)) *testResolver {
	t.Helper()
	bound, err := bind(loopback)
	require.NoError(t, err)
	r := &testResolver{address: bound.address}
	handler := mdns.HandlerFunc(func(w mdns.ResponseWriter, q *mdns.Msg) {
		if q.Question[0].Qtype != mdns.TypeHINFO { // which are loop probes
			r.asked.Add(1)
		}
		answer(w, q)
	})
	for _, s := range []*mdns.Server{{PacketConn: bound.udp, Handler: handler}, {Listener: bound.tcp, Handler: handler}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		done := make(chan error, 1)
		go func() { done <- s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() {
			require.NoError(t, s.Shutdown())
			require.NoError(t, <-done)
		})
	}
	return r
}

// known answers for example.com: www has one address, big has very many.
func known(w mdns.ResponseWriter, r *mdns.Msg) {
	m := new(mdns.Msg).SetReply(r)
	m.RecursionAvailable = true
	name := strings.ToLower(r.Question[0].Name)
	add := func(format string, args ...any) {
		rr, err := mdns.NewRR(fmt.Sprintf(format, args...))
		if err != nil {
			panic(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	switch {
	case name == "www.example.com." && r.Question[0].Qtype == mdns.TypeA:
		add("%s 60 IN A 192.0.2.80", r.Question[0].Name)
	case name == "big.example.com.":
		for i := range 100 {
			add("%s 60 IN A 192.0.2.%d", r.Question[0].Name, i)
		}
		if w.LocalAddr().Network() == "udp" {
			m.Truncate(512)
		}
	default:
		m.Rcode = mdns.RcodeNameError
		soa, _ := mdns.NewRR("example.com. 60 IN SOA ns.example.com. root.example.com. 1 60 60 60 60")
		m.Ns = []mdns.RR{soa}
	}
	_ = w.WriteMsg(m)
}

func silent(mdns.ResponseWriter, *mdns.Msg) {}

func resolvers(all ...netip.AddrPort) func(*Options) {
	return func(o *Options) { o.Resolvers = all }
}

func code(m *mdns.Msg) string { return mdns.RcodeToString[m.Rcode] }

func TestForeignNamesAreRemembered(t *testing.T) {
	outside := startResolver(t, known)
	s := offline(t, nil, resolvers(outside.address))
	for range 5 {
		require.Equal(t, "NOERROR", code(ask(t, s, "udp", "www.example.com.", mdns.TypeA)))
		require.Equal(t, "NXDOMAIN", code(ask(t, s, "udp", "no.example.com.", mdns.TypeA)))
	}
	require.Equal(t, int64(2), outside.asked.Load())
}

func TestLongForeignAnswersComeOverTCP(t *testing.T) {
	s := offline(t, nil, resolvers(startResolver(t, known).address))
	m := ask(t, s, "udp", "big.example.com.", mdns.TypeA)
	require.True(t, m.Truncated)
	require.Len(t, ask(t, s, "tcp", "big.example.com.", mdns.TypeA).Answer, 100)
}

func TestWithoutResolversForeignNamesFailAtOnce(t *testing.T) {
	for _, change := range []func(*Options){
		func(*Options) {},
		func(o *Options) { o.ResolvConf = "/nonexistent/resolv.conf" },
		func(o *Options) { o.ResolvConf = writeFile(t, "resolv.conf", "search example.com\n") },
		func(o *Options) { o.ResolvConf = writeFile(t, "resolv.conf", "nameserver ::::\n") },
	} {
		s := offline(t, nil, change)
		require.Equal(t, "SERVFAIL", code(ask(t, s, "udp", "www.example.com.", mdns.TypeA)))
		require.Equal(t, "NXDOMAIN", code(ask(t, s, "udp", "www.example.com.shop.svc.cluster.local.", mdns.TypeA)))
		require.Equal(t, "SERVFAIL", code(ask(t, s, "udp", "1.2.0.192.in-addr.arpa.", mdns.TypePTR)))
	}
}

func TestASecondResolverIsAskedWhenTheFirstFails(t *testing.T) {
	dead := startResolver(t, func(w mdns.ResponseWriter, _ *mdns.Msg) { _ = w.Close() })
	closed, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(loopback))
	require.NoError(t, err)
	gone := closed.LocalAddr().(*net.UDPAddr).AddrPort()
	require.NoError(t, closed.Close())
	_ = dead
	outside := startResolver(t, known)
	s := offline(t, nil, resolvers(gone, outside.address))
	require.Equal(t, "NOERROR", code(ask(t, s, "udp", "www.example.com.", mdns.TypeA)))
	require.Equal(t, int64(1), outside.asked.Load())
}

func TestTheResolvConfIsFollowed(t *testing.T) {
	first, second := startResolver(t, known), startResolver(t, known)
	path := writeFile(t, "resolv.conf", "")
	s := offline(t, nil, func(o *Options) { o.ResolvConf = path })
	require.Equal(t, "SERVFAIL", code(ask(t, s, "udp", "www.example.com.", mdns.TypeA)))

	// A resolv.conf has no port: a parsed one is put in the file's place.
	got, err := readResolvConf(writeFile(t, "other", "nameserver 192.0.2.1\nnameserver fe80::1%eth0\n# x\noptions ndots:3\n"))
	require.NoError(t, err)
	require.Equal(t, []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("[fe80::1%eth0]:53")}, got)

	require.NoError(t, os.WriteFile(path, []byte("nameserver 192.0.2.1\n"), 0o600))
	require.Eventually(t, func() bool {
		f := s.upstream.refreshed()
		return len(f.resolvers) == 1 && f.resolvers[0].address == netip.MustParseAddrPort("192.0.2.1:53")
	}, waitFor, tick)
	require.NoError(t, os.Remove(path))
	require.Eventually(t, func() bool { return len(s.upstream.refreshed().resolvers) == 0 }, waitFor, tick)

	for _, r := range []*testResolver{first, second} {
		s.upstream.mu.Lock()
		s.upstream.replaceLocked([]netip.AddrPort{r.address})
		s.upstream.mu.Unlock()
		require.Equal(t, "NOERROR", code(ask(t, s, "udp", "www.example.com.", mdns.TypeA)))
		require.Equal(t, int64(1), r.asked.Load(), "what other resolvers answered is forgotten")
	}
}

// lead makes a resolver that asks the server which is to ask it.
func lead(t *testing.T) (r *testResolver, to *atomic.Pointer[Server]) {
	to = new(atomic.Pointer[Server])
	r = startResolver(t, func(w mdns.ResponseWriter, q *mdns.Msg) {
		s := to.Load()
		if s == nil {
			known(w, q)
			return
		}
		client := &mdns.Client{Timeout: waitFor}
		if m, _, err := client.Exchange(q, s.Addresses()[0].String()); err == nil {
			_ = w.WriteMsg(m)
		}
	})
	return r, to
}

func TestResolversThatLeadBackAreNotAsked(t *testing.T) {
	back, to := lead(t)
	outside := startResolver(t, known)
	s := offline(t, nil, resolvers(back.address, outside.address))
	to.Store(s)
	s.upstream.loop.start(s.upstream, s.upstream.current.Load())
	require.Eventually(t, func() bool { return s.upstream.current.Load().resolvers[0].loops.Load() }, waitFor, tick)
	require.Equal(t, "NOERROR", code(ask(t, s, "udp", "www.example.com.", mdns.TypeA)))
	require.Zero(t, back.asked.Load())

	// And when it does so no more, it is asked again.
	to.Store(nil)
	s.upstream.loop.start(s.upstream, s.upstream.current.Load())
	require.Eventually(t, func() bool { return !s.upstream.current.Load().resolvers[0].loops.Load() }, waitFor, tick)
}

func TestALoopAloneFailsAtOnce(t *testing.T) {
	back, to := lead(t)
	s := offline(t, nil, resolvers(back.address))
	to.Store(s)
	s.upstream.loop.start(s.upstream, s.upstream.current.Load())
	require.Eventually(t, func() bool { return s.upstream.current.Load().resolvers[0].loops.Load() }, waitFor, tick)
	require.Equal(t, "SERVFAIL", code(ask(t, s, "udp", "www.example.com.", mdns.TypeA)))
}

func TestItselfIsNoResolver(t *testing.T) {
	bound, err := bind(loopback)
	require.NoError(t, err)
	bound.close()
	s := offline(t, nil, func(o *Options) {
		o.Listen = []netip.AddrPort{bound.address}
		o.Resolvers = []netip.AddrPort{bound.address, netip.AddrPortFrom(serviceIP(), servicePort)}
	})
	require.Empty(t, s.upstream.current.Load().resolvers)
	require.Equal(t, "SERVFAIL", code(ask(t, s, "udp", "www.example.com.", mdns.TypeA)))
}

func TestQuestionsThatWaitAreBounded(t *testing.T) {
	s := offline(t, nil, resolvers(startResolver(t, silent).address))
	s.upstream.waiting.Store(maxForwarded)
	require.Equal(t, "SERVFAIL", code(ask(t, s, "udp", "www.example.com.", mdns.TypeA)))
	require.Equal(t, int64(maxForwarded), s.upstream.waiting.Load())
}

func TestQuestionsAreCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := offline(t, nil, resolvers(startResolver(t, known).address), func(o *Options) { o.Registerer = registry })
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() { _, _ = exchange(s, "udp", "svc.cluster.local.", mdns.TypeA) })
	}
	all.Wait()
	ask(t, s, "udp", "x.cluster.local.", mdns.TypeHIP)
	ask(t, s, "udp", "www.example.com.", mdns.TypeA)
	count := func(qtype uint16, rcode int) float64 {
		return testutil.ToFloat64(s.metrics.queries[queryKind{qtype, rcode}])
	}
	require.Eventually(t, func() bool {
		return count(mdns.TypeA, ok) == 11 && count(restType, nx) == 1
	}, waitFor, tick)
	n, err := testutil.GatherAndCount(registry, "lubberline_dns_query_duration_seconds")
	require.NoError(t, err)
	require.Equal(t, 2, n)
}

func TestAddressesThatAreNotOneInterfaces(t *testing.T) {
	for _, a := range []string{"0.0.0.0:53", "[::]:53"} {
		_, err := New(Options{ServiceIP: serviceIP(), Listen: []netip.AddrPort{netip.MustParseAddrPort(a)}})
		require.ErrorContains(t, err, "want the address of one interface")
	}
	_, err := New(Options{ServiceIP: serviceIP()})
	require.ErrorContains(t, err, "no address to listen on")
	_, err = New(Options{Listen: []netip.AddrPort{loopback}})
	require.ErrorContains(t, err, "cluster IP")
}

// A resolver that says nothing costs its bound once, and is then asked last.
func TestASilentResolverRests(t *testing.T) {
	quiet, outside := startResolver(t, silent), startResolver(t, known)
	s := offline(t, nil, resolvers(quiet.address, outside.address))
	require.Equal(t, "NOERROR", code(ask(t, s, "udp", "www.example.com.", mdns.TypeA)))
	order := s.upstream.current.Load().order(time.Now())
	require.Equal(t, outside.address, order[0].address)
	require.Equal(t, quiet.address, order[1].address)
}
