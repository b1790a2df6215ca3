// Package dns answers pods' questions for names: those of services, endpoints
// and pods from the process's own caches, as the Kubernetes DNS specification
// 1.1 has them, and all others by asking the machine's resolvers. It is CoreDNS,
// used as a library: its server, its cache and its connections to resolvers,
// with a zone of our own.
package dns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/netutil"
	"golang.org/x/time/rate"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
)

// maxConnections is how many TCP connections one address takes.
const maxConnections = 512

// Options is what a DNS server is made of.
type Options struct {
	Client kubernetes.Interface
	// Informers are the process's; New asks for what it needs, Run waits for it.
	Informers informers.SharedInformerFactory
	// Listen is where questions are taken, over UDP and TCP. Port 0 is any that
	// is free for both. The unspecified address is refused: this server is for
	// pods, not for whoever reaches the machine.
	Listen []netip.AddrPort
	// Servers are the addresses of all servers of the cluster, this one's among
	// them: the Service leads to all. Nil is this one alone.
	Servers func() []netip.AddrPort
	// Domain is the cluster's; empty is cluster.local.
	Domain string
	// ServiceIP is the cluster IP of the Service kube-system/kube-dns.
	ServiceIP netip.Addr
	// Networks hold all pods and services. Addresses of these that nobody has
	// are known to have no name; those of others are asked for elsewhere.
	Networks []netip.Prefix
	// Resolvers know the names of other domains. When there are none, those of
	// ResolvConf, a file that is followed as it changes, are asked.
	Resolvers  []netip.AddrPort
	ResolvConf string

	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
}

// Server is a DNS server with its sockets bound.
type Server struct {
	o        Options
	upstream *upstream
	cluster  *cluster
	service  *reconcile.Loop
	metrics  *metrics
	sockets  []*socket
	ready    chan struct{}
	isReady  sync.Once
}

// New binds the sockets and asks for the informers. Run releases everything.
func New(o Options) (_ *Server, err error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Domain == "" {
		o.Domain = "cluster.local"
	}
	if !o.ServiceIP.IsValid() {
		return nil, errors.New("dns: the service needs a cluster IP")
	}
	s := &Server{o: o, ready: make(chan struct{})}
	defer func() {
		if err != nil {
			s.release()
			err = fmt.Errorf("dns: %w", err)
		}
	}()
	if err := s.listen(); err != nil {
		return nil, err
	}
	if s.cluster, err = newCluster(o.Informers); err != nil {
		return nil, err
	}
	own := append(s.Addresses(), netip.AddrPortFrom(o.ServiceIP, servicePort))
	s.upstream = newUpstream(o, own)
	if s.metrics, err = newMetrics(o.Registerer, s.upstream); err != nil {
		return nil, err
	}
	if err := s.keepService(); err != nil {
		return nil, err
	}
	return s, s.buildServers()
}

func (s *Server) listen() error {
	if len(s.o.Listen) == 0 {
		return errors.New("no address to listen on")
	}
	for _, a := range s.o.Listen {
		if !a.IsValid() || a.Addr().IsUnspecified() {
			return fmt.Errorf("listen %q: want the address of one interface, and a port", a)
		}
		bound, err := bind(a)
		if err != nil {
			return err
		}
		s.sockets = append(s.sockets, bound)
	}
	return nil
}

// Addresses is where questions are taken.
func (s *Server) Addresses() []netip.AddrPort {
	var all []netip.AddrPort
	for _, socket := range s.sockets {
		all = append(all, socket.address)
	}
	return all
}

// Ready is closed when questions are answered and the Service leads here.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// buildServers makes the chain of handlers, and a server for each address.
func (s *Server) buildServers() error {
	z := &zone{
		domain: strings.ToLower(dns.Fqdn(s.o.Domain)), server: s.o.ServiceIP, networks: s.o.Networks,
		serial: uint32(time.Now().Unix()), cluster: s.cluster, next: s.upstream,
	}
	first := &report{metrics: s.metrics, log: s.o.Logger, limit: rate.NewLimiter(rate.Every(10*time.Second), 5), next: z}
	for _, socket := range s.sockets {
		config := &dnsserver.Config{Zone: ".", Plugin: []plugin.Plugin{func(plugin.Handler) plugin.Handler { return first }}}
		var err error
		socket.server, err = dnsserver.NewServer("dns://"+socket.address.String(), []*dnsserver.Config{config})
		if err != nil {
			return err
		}
	}
	return nil
}

// Run answers questions until ctx ends or a socket fails.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var parts sync.WaitGroup
	failed := make(chan error, 2*len(s.sockets))
	for _, socket := range s.sockets {
		parts.Go(func() { failed <- socket.server.ServePacket(socket.udp) })
		parts.Go(func() { failed <- socket.server.Serve(netutil.LimitListener(socket.tcp, maxConnections)) })
	}
	parts.Go(func() { _ = s.service.Run(ctx) }) // ends with ctx only
	s.upstream.loop.run(ctx, s.upstream)
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		err = fmt.Errorf("dns: %w", err)
	}
	cancel()
	for _, socket := range s.sockets {
		_ = socket.server.Stop() // what it fails with, too long a wait, changes nothing
	}
	s.release()
	parts.Wait()
	return err
}

func (s *Server) release() {
	for _, socket := range s.sockets {
		socket.close()
	}
	if s.upstream != nil {
		s.upstream.close()
	}
	if s.metrics != nil {
		s.metrics.set.Unregister()
	}
}

// socket is one address, by both protocols.
type socket struct {
	address netip.AddrPort
	udp     *net.UDPConn
	tcp     *net.TCPListener
	server  *dnsserver.Server
}

// bindTries is how often a port is sought that is free for both protocols.
const bindTries = 20

func bind(a netip.AddrPort) (*socket, error) {
	var err error
	for range bindTries {
		s := &socket{}
		if s.tcp, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(a)); err != nil {
			return nil, err
		}
		s.address = netip.AddrPortFrom(a.Addr(), s.tcp.Addr().(*net.TCPAddr).AddrPort().Port())
		s.udp, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(s.address))
		if err == nil {
			return s, nil
		}
		s.close()
		if a.Port() != 0 {
			break
		}
	}
	return nil, err
}

func (s *socket) close() {
	if s.tcp != nil {
		_ = s.tcp.Close() // the server closed it already
	}
	if s.udp != nil {
		_ = s.udp.Close()
	}
}
