package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/lubberline/lubberline/test/peers"
)

// labVariable is set in the process that a real test runs in.
const labVariable = "LUBBERLINE_TEST_NETWORK"

// The lab's networks.
var (
	labPods     = netip.MustParsePrefix("10.9.0.0/16")
	labLocal    = netip.MustParsePrefix("10.9.0.0/24")
	labServices = netip.MustParsePrefix("10.96.0.0/16")
)

const (
	labNode    = "192.0.2.1"    // this machine
	labOutside = "198.51.100.2" // a client that is no pod
)

// lab is a machine of its own: pods on a bridge, and a client outside.
type lab struct {
	testing.TB
	bridge  netlink.Link
	machine netns.NsHandle
	next    int
}

// newLab runs the rest of the test in a process whose network is empty; nil in
// the process that only waits for it.
func newLab(t testing.TB) *lab {
	t.Helper()
	peers.RequireReal(t)
	if os.Getenv(labVariable) == "" {
		runInNetwork(t)
		return nil
	}
	must(t, syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
	must(t, syscall.Mount("sysfs", "/sys", "sysfs", 0, ""))
	l := &lab{TB: t}
	var err error
	l.machine, err = netns.Get()
	must(t, err)
	must(t, os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644))
	lo, err := netlink.LinkByName("lo")
	must(t, err)
	must(t, netlink.LinkSetUp(lo))
	l.bridge = l.add(&netlink.Bridge{LinkAttrs: attrs("pods0")}, "10.9.0.1/24")
	l.host("uplink", "192.0.2.254", labNode)
	uplink := l.up("uplink", labNode+"/24")
	must(t, netlink.RouteAdd(&netlink.Route{LinkIndex: uplink.Attrs().Index, Gw: net.ParseIP("192.0.2.254")}))
	return l
}

func must(t testing.TB, err error) {
	t.Helper()
	require.NoError(t, err)
}

func runInNetwork(t testing.TB) {
	name := strings.ReplaceAll(t.Name(), "/", "$/^")
	flags := []string{"-test.run=^" + name + "$", "-test.v"}
	if _, bench := t.(*testing.B); bench {
		flags = []string{"-test.run=^$", "-test.bench=^" + name + "$"}
	}
	command := exec.Command("/proc/self/exe", append(flags, "-test.count=1", "-test.timeout=120s")...)
	command.Env = append(os.Environ(), labVariable+"=1")
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	output, err := command.CombinedOutput()
	t.Logf("%s", output)
	require.NoError(t, err)
}

func attrs(name string) netlink.LinkAttrs {
	a := netlink.NewLinkAttrs()
	a.Name = name
	return a
}

// add makes an interface of the machine that has the address.
func (l *lab) add(link netlink.Link, address string) netlink.Link {
	l.Helper()
	must(l, netlink.LinkAdd(link))
	return l.up(link.Attrs().Name, address)
}

func (l *lab) up(name, address string) netlink.Link {
	l.Helper()
	link, err := netlink.LinkByName(name)
	must(l, err)
	if address != "" {
		parsed, err := netlink.ParseAddr(address)
		must(l, err)
		must(l, netlink.AddrAdd(link, parsed))
	}
	must(l, netlink.LinkSetUp(link))
	return link
}

// host is something with a network of its own.
type host struct {
	lab     *lab
	address string
	ns      netns.NsHandle
}

// pod is on the machine's bridge.
func (l *lab) pod() *host {
	l.Helper()
	l.next++
	name := fmt.Sprintf("pod%d", l.next)
	h := l.host(name, fmt.Sprintf("10.9.0.%d", 10+l.next), "10.9.0.1")
	port, err := netlink.LinkByName(name)
	must(l, err)
	must(l, netlink.LinkSetMaster(port, l.bridge))
	must(l, netlink.LinkSetHairpin(port, true))
	return h
}

// outside is a client that reaches the machine by a link of its own.
func (l *lab) outside() *host {
	l.Helper()
	h := l.host("outside", labOutside, "198.51.100.1")
	l.up("outside", "198.51.100.1/24")
	return h
}

// self is the machine itself.
func (l *lab) self() *host { return &host{lab: l, address: labNode, ns: l.machine} }

func (l *lab) host(name, address, gateway string) *host {
	l.Helper()
	h := &host{lab: l, address: address}
	l.onThread(l.machine, func() error {
		var err error
		if h.ns, err = netns.New(); err != nil {
			return err
		}
		return netns.Set(l.machine)
	})
	must(l, netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs(name), PeerName: "eth0", PeerNamespace: netlink.NsFd(h.ns)}))
	l.up(name, "")
	l.onThread(h.ns, func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		eth, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		parsed, err := netlink.ParseAddr(address + "/24")
		if err != nil {
			return err
		}
		return errors.Join(netlink.LinkSetUp(lo), netlink.AddrAdd(eth, parsed), netlink.LinkSetUp(eth),
			netlink.RouteAdd(&netlink.Route{LinkIndex: eth.Attrs().Index, Gw: net.ParseIP(gateway)}))
	})
	return h
}

// onThread runs do in a network. The thread is given up afterwards.
func (l *lab) onThread(ns netns.NsHandle, do func() error) {
	l.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		err := netns.Set(ns)
		if err == nil {
			err = do()
		}
		done <- err
	}()
	must(l, <-done)
}

// serve answers on a TCP and a UDP port with the host's address and the client's.
func (h *host) serve(port int) *host {
	h.lab.Helper()
	h.lab.onThread(h.ns, func() error {
		listener, err := net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", port))
		if err != nil {
			return err
		}
		packets, err := net.ListenPacket("udp4", fmt.Sprintf("0.0.0.0:%d", port))
		if err != nil {
			return err
		}
		go h.answerTCP(listener)
		go h.answerUDP(packets)
		h.lab.Cleanup(func() { listener.Close(); packets.Close() })
		return nil
	})
	return h
}

func (h *host) answerTCP(listener net.Listener) {
	for {
		c, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			client, _, _ := net.SplitHostPort(c.RemoteAddr().String())
			fmt.Fprintf(c, "%s %s\n", h.address, client)
			_, _ = io.Copy(c, c) // an echo, until the client has had enough
		}()
	}
}

func (h *host) answerUDP(packets net.PacketConn) {
	buffer := make([]byte, 100)
	for {
		_, from, err := packets.ReadFrom(buffer)
		if err != nil {
			return
		}
		client, _, _ := net.SplitHostPort(from.String())
		_, _ = fmt.Fprintf(writerTo{packets, from}, "%s %s\n", h.address, client)
	}
}

type writerTo struct {
	c  net.PacketConn
	to net.Addr
}

func (w writerTo) Write(b []byte) (int, error) { return w.c.WriteTo(b, w.to) }

// answerTimeout is for one who may wait in vain, loadTimeout for one of many on a
// machine that is busy with them.
const answerTimeout, loadTimeout = 500 * time.Millisecond, 10 * time.Second

// dial opens a connection from the host.
func (h *host) dial(network, address string) (net.Conn, error) {
	var c net.Conn
	var err error
	h.lab.onThread(h.ns, func() error {
		c, err = net.DialTimeout(network, address, answerTimeout)
		return nil
	})
	return c, err
}

// answer is who answers and which client it saw.
type answer struct{ server, client string }

func (h *host) ask(network, address string) (answer, error) {
	c, err := h.dial(network, address)
	if err != nil {
		return answer{}, err
	}
	defer c.Close()
	return askOn(c, network)
}

// asks asks from the host so many times, or until ctx ends, and returns what went
// wrong, which is also that one of the servers was never met.
func (h *host) asks(ctx context.Context, times int, address string, servers ...*host) (err error) {
	met := map[string]bool{}
	h.lab.onThread(h.ns, func() error {
		for range times {
			if ctx.Err() != nil {
				return nil
			}
			var one answer
			if one, err = h.askHere(address); err != nil {
				return nil
			}
			met[one.server] = true
		}
		return nil
	})
	for _, s := range servers {
		if err == nil && !met[s.address] {
			err = fmt.Errorf("%s never led to %s", address, s.address)
		}
	}
	return err
}

// askHere asks from the network of this thread. The connection is reset in the
// end: closing would take its port away for a minute.
func (h *host) askHere(address string) (answer, error) {
	c, err := net.DialTimeout("tcp4", address, loadTimeout)
	if err != nil {
		return answer{}, err
	}
	defer c.Close()
	if err := c.(*net.TCPConn).SetLinger(0); err != nil {
		return answer{}, err
	}
	return askWithin(c, "tcp4", loadTimeout)
}

func askOn(c net.Conn, network string) (answer, error) { return askWithin(c, network, answerTimeout) }

func askWithin(c net.Conn, network string, timeout time.Duration) (answer, error) {
	_ = c.SetDeadline(time.Now().Add(timeout))
	if network == "udp4" {
		if _, err := c.Write([]byte("?")); err != nil {
			return answer{}, err
		}
	}
	var a answer
	buffer := make([]byte, 100)
	n, err := c.Read(buffer)
	if err == nil {
		_, err = fmt.Sscanf(string(buffer[:n]), "%s %s\n", &a.server, &a.client)
	}
	return a, err
}

func (h *host) mustAsk(network, address string) answer {
	h.lab.Helper()
	a, err := h.ask(network, address)
	require.NoError(h.lab, err, "%s asks %s", h.address, address)
	return a
}

// servers are all that answer in enough tries.
func (h *host) servers(network, address string) map[string]int {
	h.lab.Helper()
	found := map[string]int{}
	for range 30 {
		found[h.mustAsk(network, address).server]++
	}
	return found
}

// running starts a proxy on the lab's machine.
func (l *lab) running(c *cluster) *Proxy {
	l.Helper()
	return l.run(l.proxy(c, nil))
}

func (l *lab) run(p *Proxy) *Proxy {
	l.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = p.Run(ctx) }()
	l.Cleanup(func() { cancel(); <-done })
	select {
	case <-p.Ready():
	case <-time.After(10 * time.Second):
		require.Fail(l, "not ready")
	}
	return p
}

func (l *lab) proxy(c *cluster, change func(*Options)) *Proxy {
	l.Helper()
	o := Options{
		Informers: c.informers, NodeName: "here", PodNetwork: labPods, LocalPods: labLocal, ServiceNetwork: labServices,
		Bridge: "pods0", Logger: slog.New(slog.NewTextHandler(l.Output(), nil)),
	}
	if change != nil {
		change(&o)
	}
	p, err := New(o)
	require.NoError(l, err)
	c.informers.Start(l.Context().Done())
	return p
}
