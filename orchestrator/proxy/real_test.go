package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	testclock "k8s.io/utils/clock/testing"

	"github.com/lubberline/lubberline/orchestrator/netfilter"
	"github.com/lubberline/lubberline/orchestrator/proxy/plan"
	"github.com/lubberline/lubberline/orchestrator/proxy/ruleset"
)

func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	require.Eventually(t, f, 10*time.Second, 10*time.Millisecond, what)
}

func TestRealClusterIP(t *testing.T) {
	l := newLab(t)
	if l == nil {
		return
	}
	a, b, client, outside := l.pod().serve(8080), l.pod().serve(8080), l.pod(), l.outside()
	c := newCluster(t, service("web", "10.96.0.5"), endpoints("web", a.address, b.address), service("none", "10.96.0.6"),
		service("self", "10.96.0.7"), endpoints("self", a.address), service("api", "10.96.0.1"), endpoints("api", "10.9.0.1"))
	l.self().serve(8080)
	l.running(c)

	for _, network := range []string{"tcp4", "udp4"} {
		for _, from := range []*host{client, l.self(), outside} {
			require.Len(t, from.servers(network, "10.96.0.5:80"), 2, "%s from %s", network, from.address)
			require.Equal(t, labNode, from.mustAsk("tcp4", "10.96.0.1:80").server, "the machine itself serves")
		}
		require.Equal(t, client.address, client.mustAsk(network, "10.96.0.5:80").client, "pods see each other's addresses")
		require.Equal(t, answer{a.address, "10.9.0.1"}, a.mustAsk(network, "10.96.0.7:80"), "a pod reaches itself")
	}
	for _, from := range []*host{client, l.self(), outside} {
		for _, address := range []string{"10.96.0.6:80", "10.96.0.5:81", "10.96.3.3:80"} {
			for _, network := range []string{"tcp4", "udp4"} {
				requireRefused(t, from, network, address)
			}
		}
	}
}

// TestRealUnfilteredBridge: without br_netfilter pods reach each other behind a
// service by the machine's address.
func TestRealUnfilteredBridge(t *testing.T) {
	l := newLab(t)
	if l == nil {
		return
	}
	a, client := l.pod().serve(8080), l.pod()
	p := l.proxy(newCluster(t, service("web", "10.96.0.5", nodePort(30080)), endpoints("web", a.address)), nil)
	require.False(t, p.facts.TranslateLocal, "the kernel of these tests filters bridges")
	for _, file := range []string{"/proc/sys/net/bridge/bridge-nf-call-iptables", "/sys/class/net/pods0/bridge/nf_call_iptables"} {
		must(t, os.WriteFile(file, []byte("0"), 0o644))
	}
	p.facts.TranslateLocal = true
	nft, err := ruleset.Open(plan.TableName)
	require.NoError(t, err)
	p.rules = ruleset.New(nft, p.facts)
	l.run(p)
	for _, network := range []string{"tcp4", "udp4"} {
		require.Equal(t, answer{a.address, "10.9.0.1"}, client.mustAsk(network, "10.96.0.5:80"))
		require.Equal(t, answer{a.address, "10.9.0.1"}, a.mustAsk(network, "10.96.0.5:80"))
		require.Equal(t, answer{a.address, "10.9.0.1"}, l.self().mustAsk(network, "10.96.0.5:80"))
		require.Equal(t, answer{a.address, client.address}, client.mustAsk(network, a.address+":8080"))
	}
}

func requireRefused(t testing.TB, from *host, network, address string) {
	t.Helper()
	_, err := from.ask(network, address)
	if errors.Is(err, syscall.EPERM) {
		return // what the kernel says to programs of this machine that send packets
	}
	require.ErrorIs(t, err, syscall.ECONNREFUSED, "%s %s from %s", network, address, from.address)
}

func TestRealNodePorts(t *testing.T) {
	l := newLab(t)
	if l == nil {
		return
	}
	a, b, client, outside := l.pod().serve(8080), l.pod().serve(8080), l.pod(), l.outside()
	c := newCluster(t,
		service("web", "10.96.0.5", nodePort(30080)), endpoints("web", a.address, b.address),
		service("local", "10.96.0.6", nodePort(30081), localPolicy, externalIP("203.0.113.7")), endpoints("local", a.address, "10.9.1.5"),
		service("elsewhere", "10.96.0.7", nodePort(30082), localPolicy), endpoints("elsewhere", "10.9.1.5"),
		service("none", "10.96.0.8", nodePort(30083), externalIP("203.0.113.8")))
	l.running(c)

	for _, network := range []string{"tcp4", "udp4"} {
		for _, address := range []string{labNode + ":30080", "198.51.100.1:30080", "10.9.0.1:30080"} {
			require.Len(t, outside.servers(network, address), 2)
		}
		require.Len(t, client.servers(network, labNode+":30080"), 2)
		require.Len(t, l.self().servers(network, labNode+":30080"), 2)
		require.Equal(t, "10.9.0.1", outside.mustAsk(network, labNode+":30080").client, "the answer must come back by this machine")
		require.Equal(t, map[string]int{a.address: 30}, outside.servers(network, labNode+":30081"))
		require.Equal(t, answer{a.address, outside.address}, outside.mustAsk(network, "203.0.113.7:80"), "the client's address is kept")
		_, err := outside.ask(network, labNode+":30082")
		require.ErrorContains(t, err, "i/o timeout", "endpoints on other machines are not for those who come here")
		for _, address := range []string{labNode + ":30083", "203.0.113.8:80"} {
			for _, from := range []*host{client, outside, l.self()} {
				requireRefused(t, from, network, address)
			}
		}
	}
}

func TestRealLoadBalancer(t *testing.T) {
	l := newLab(t)
	if l == nil {
		return
	}
	a, client, outside := l.pod().serve(8080), l.pod(), l.outside()
	balanced := func(address string, sources ...string) func(*corev1.Service) {
		return func(s *corev1.Service) {
			nodePort(30080)(s)
			s.Spec.Type, s.Spec.LoadBalancerSourceRanges = corev1.ServiceTypeLoadBalancer, sources
			s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: address}}
		}
	}
	l.running(newCluster(t,
		service("mine", "10.96.0.5", balanced(labNode)), endpoints("mine", a.address),
		service("some", "10.96.0.6", balanced("203.0.113.1", "198.51.100.0/24", "198.51.0.0/16")), endpoints("some", a.address),
		service("others", "10.96.0.7", balanced("203.0.113.2", "10.1.0.0/16")), endpoints("others", a.address)))

	for _, network := range []string{"tcp4", "udp4"} {
		for _, from := range []*host{client, outside, l.self()} {
			require.Equal(t, a.address, from.mustAsk(network, labNode+":80").server)
		}
		require.Equal(t, a.address, outside.mustAsk(network, "203.0.113.1:80").server)
		require.Equal(t, a.address, l.self().mustAsk(network, "203.0.113.2:80").server)
		for _, from := range []*host{client, outside} {
			_, err := from.ask(network, "203.0.113.2:80")
			require.ErrorContains(t, err, "i/o timeout", "not among the sources")
		}
	}
}

// TestRealRestart: the table stays when the program ends, and the next one finds
// nothing to do.
func TestRealRestart(t *testing.T) {
	l := newLab(t)
	if l == nil {
		return
	}
	a, client := l.pod().serve(8080), l.pod()
	start := func() (stop func()) {
		p := l.proxy(newCluster(t, service("web", "10.96.0.5"), endpoints("web", a.address), service("sticky", "10.96.0.6", sticky(60)), endpoints("sticky", a.address)), nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = p.Run(ctx) }()
		<-p.Ready()
		return func() { cancel(); <-done }
	}
	start()()
	before, known := kernelGeneration(true)
	require.True(t, known)
	require.Equal(t, a.address, client.mustAsk("tcp4", "10.96.0.5:80").server)
	start()()
	after, _ := kernelGeneration(true)
	require.Equal(t, before, after)
	require.Equal(t, a.address, client.mustAsk("tcp4", "10.96.0.6:80").server)

	route, err := Trace(t.Context(), "", "10.96.0.6:80", "udp")
	require.NoError(t, err)
	require.Equal(t, []netip.AddrPort{netip.MustParseAddrPort(a.address + ":8080")}, route.Endpoints)
	require.NoError(t, Remove(t.Context(), ""))
	require.NoError(t, Remove(t.Context(), ""), "there is none any more")
	require.False(t, netfilter.HasTable("lubberline"))
}

func TestRealAffinity(t *testing.T) {
	l := newLab(t)
	if l == nil {
		return
	}
	a, b, client, outside := l.pod().serve(8080), l.pod().serve(8080), l.pod(), l.outside()
	c := newCluster(t, service("web", "10.96.0.5", sticky(2), nodePort(30080)), endpoints("web", a.address, b.address))
	l.running(c)

	first := client.mustAsk("tcp4", "10.96.0.5:80").server
	require.Equal(t, map[string]int{first: 30}, client.servers("tcp4", "10.96.0.5:80"))
	require.Equal(t, map[string]int{first: 30}, client.servers("tcp4", labNode+":30080"), "whatever the address")
	require.Len(t, outside.servers("tcp4", labNode+":30080"), 1)

	other := map[string]string{a.address: b.address, b.address: a.address}[first]
	c.put(endpoints("web", other))
	eventually(t, "moved when the endpoint is gone", func() bool { return client.mustAsk("tcp4", "10.96.0.5:80").server == other })
	c.put(endpoints("web", a.address, b.address))
	eventually(t, "both are there", func() bool { return kernelHolds(t, "endpoint-", first) })
	require.Equal(t, map[string]int{other: 30}, client.servers("tcp4", "10.96.0.5:80"), "and stays there")

	c.put(service("web", "10.96.0.5", nodePort(30080)))
	eventually(t, "no affinity any more", func() bool { return len(client.servers("tcp4", "10.96.0.5:80")) == 2 })
	c.put(service("web", "10.96.0.5", nodePort(30080), sticky(1)))
	eventually(t, "affinity again", func() bool { return len(client.servers("tcp4", "10.96.0.5:80")) == 1 })
	stays := client.mustAsk("tcp4", "10.96.0.5:80").server
	require.Eventually(t, func() bool { return client.mustAsk("tcp4", "10.96.0.5:80").server != stays },
		60*time.Second, 1200*time.Millisecond, "forgotten after the timeout")
}

// kernelHolds says whether a line of the table has all of the words.
func kernelHolds(t testing.TB, words ...string) bool {
	t.Helper()
	text, err := exec.Command("nft", "list", "table", "ip", "lubberline").CombinedOutput()
	require.NoError(t, err, "%s", text)
	for line := range strings.Lines(string(text)) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			return true
		}
	}
	return false
}

func TestRealEndpointsChange(t *testing.T) {
	l := newLab(t)
	if l == nil {
		return
	}
	a, b, client := l.pod().serve(8080), l.pod().serve(8080), l.pod()
	c := newCluster(t, service("web", "10.96.0.5"), endpoints("web", a.address))
	l.running(c)

	connection, err := client.dial("tcp4", "10.96.0.5:80")
	require.NoError(t, err)
	defer connection.Close()
	_, err = askOn(connection, "tcp4")
	require.NoError(t, err)
	flow, err := client.dial("udp4", "10.96.0.5:80")
	require.NoError(t, err)
	defer flow.Close()
	was, err := askOn(flow, "udp4")
	require.NoError(t, err)
	require.Equal(t, a.address, was.server)

	c.put(endpoints("web", b.address))
	eventually(t, "new connections go to the new endpoint", func() bool { return client.mustAsk("tcp4", "10.96.0.5:80").server == b.address })
	eventually(t, "flows of datagrams move", func() bool {
		now, err := askOn(flow, "udp4")
		return err == nil && now.server == b.address
	})
	_ = connection.SetDeadline(time.Now().Add(loadTimeout))
	_, err = fmt.Fprint(connection, "still there?")
	require.NoError(t, err)
	echo := make([]byte, 12)
	_, err = io.ReadFull(connection, echo)
	require.NoError(t, err, "connections stay")

	c.put(endpoints("web"))
	eventually(t, "nobody is left", func() bool { _, err := client.ask("tcp4", "10.96.0.5:80"); return errors.Is(err, syscall.ECONNREFUSED) })
	eventually(t, "flows end", func() bool { _, err := askOn(flow, "udp4"); return errors.Is(err, syscall.ECONNREFUSED) })
	c.put(endpoints("web", a.address, b.address))
	eventually(t, "both", func() bool {
		_, err := client.ask("tcp4", "10.96.0.5:80")
		return err == nil && len(client.servers("tcp4", "10.96.0.5:80")) == 2
	})
}

// TestRealUnanswered: a client that waits for an endpoint which has vanished gets
// to another one.
func TestRealUnanswered(t *testing.T) {
	l := newLab(t)
	if l == nil {
		return
	}
	mute, b, client := l.pod(), l.pod().serve(8080), l.pod()
	l.onThread(mute.ns, func() error {
		return exec.Command("nft", "add table ip mute; add chain ip mute input { type filter hook input priority 0; policy drop; }").Run()
	})
	c := newCluster(t, service("web", "10.96.0.5"), endpoints("web", mute.address))
	l.running(c)
	var waiting errgroup.Group
	waiting.Go(func() error { return client.asks(t.Context(), 1, "10.96.0.5:80", b) })
	eventually(t, "the client has asked", func() bool {
		flows, err := netlink.ConntrackTableList(netlink.ConntrackTable, unix.AF_INET)
		return err == nil && slices.ContainsFunc(flows, func(f *netlink.ConntrackFlow) bool { return f.Reverse.SrcIP.String() == mute.address })
	})
	c.put(endpoints("web", b.address))
	require.NoError(t, waiting.Wait())
}

// TestRealNoneFails: endpoints come and go gracefully under a constant load, and
// the table is compared, without one connection failing. The load is so high
// that packets come in the moments in which the kernel changes its rules.
func TestRealNoneFails(t *testing.T) {
	l := newLab(t)
	if l == nil {
		return
	}
	a, b, client := l.pod().serve(8080), l.pod().serve(8080), l.pod()
	c := newCluster(t, service("web", "10.96.0.5", nodePort(30080)), endpoints("web", a.address))
	l.running(c)

	ctx, cancel := context.WithCancel(t.Context())
	var clients errgroup.Group
	for _, address := range []string{"10.96.0.5:80", "10.96.0.5:80", labNode + ":30080", labNode + ":30080"} {
		clients.Go(func() error { return client.asks(ctx, math.MaxInt, address, a, b) })
	}
	for i := range 400 {
		before, _ := kernelGeneration(true)
		c.put(endpoints("web", [][]string{{a.address, b.address}, {b.address}, {b.address, a.address}, {a.address}}[i%4]...))
		c.put(service(fmt.Sprint("other", i), fmt.Sprintf("10.96.%d.%d", 1+i/200, 1+i%200), sticky(10)), endpoints(fmt.Sprint("other", i), a.address))
		eventually(t, "the kernel has it", func() bool { now, _ := kernelGeneration(true); return now != before })
	}
	eventually(t, "all are served", func() bool { return kernelHolds(t, "10.96.2.200") })
	cancel()
	require.NoError(t, clients.Wait())
}

func TestRealRepair(t *testing.T) {
	l := newLab(t)
	if l == nil {
		return
	}
	run := func(arguments string) {
		t.Helper()
		output, err := exec.Command("nft", arguments).CombinedOutput()
		require.NoError(t, err, "%s: %s", arguments, output)
	}
	run("add table ip others; add chain ip others forward { type filter hook forward priority 0; }; add rule ip others forward counter")
	a, client := l.pod().serve(8080), l.pod()
	c := newCluster(t, service("web", "10.96.0.5"), endpoints("web", a.address), service("sticky", "10.96.0.6", sticky(60)), endpoints("sticky", a.address))
	clock := testclock.NewFakeClock(time.Now())
	p := l.proxy(c, func(o *Options) { o.Clock = clock })
	go func() { _ = p.Run(t.Context()) }()
	<-p.Ready()

	for _, damage := range []string{
		"delete table ip lubberline",
		"flush chain ip lubberline dispatch",
		"flush chain ip lubberline tcp-cluster-1",
		"delete chain ip lubberline prerouting",
		"delete element ip lubberline services { 10.96.0.5 . tcp . 80 }",
		"flush map ip lubberline tcp-endpoints",
		"flush table ip lubberline",
		"add element ip lubberline services { 10.96.0.9 . tcp . 80 : drop }",
	} {
		run(damage)
		eventually(t, damage, func() bool {
			clock.Step(compareEvery)
			_, err := client.ask("tcp4", "10.96.0.5:80")
			_, other := client.ask("tcp4", "10.96.0.6:80")
			return err == nil && other == nil && !kernelHolds(t, "10.96.0.9")
		})
	}
	clock.Step(checkEvery) // the pause after the comparisons has begun
	run("delete table ip lubberline")
	clock.Step(checkEvery)
	eventually(t, "a table that is gone is seen at once", func() bool {
		_, err := client.ask("tcp4", "10.96.0.5:80")
		return err == nil
	})
	run("delete table ip lubberline")
	c.put(service("new", "10.96.0.7"), endpoints("new", a.address))
	eventually(t, "a change finds the damage at once", func() bool {
		_, err := client.ask("tcp4", "10.96.0.5:80")
		_, other := client.ask("tcp4", "10.96.0.7:80")
		return err == nil && other == nil
	})
	output, err := exec.Command("nft", "list", "table", "ip", "others").CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(output), "counter packets")

	nft, err := ruleset.Open(plan.TableName)
	require.NoError(t, err)
	repaired, anew, err := ruleset.New(nft, p.facts).Repair(t.Context(), p.wanted)
	require.NoError(t, errors.Join(anew, err))
	require.Zero(t, repaired, "what the kernel gives back is what was written")
}
