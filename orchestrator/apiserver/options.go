// Package apiserver serves the Kubernetes API: it puts k8s.io/apiserver together
// with our store, certificates, roles, admission and kinds.
package apiserver

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/orchestrator/apiserver/access"
	"github.com/lubberline/lubberline/orchestrator/apiserver/registry"
	"github.com/lubberline/lubberline/orchestrator/join"
	"github.com/lubberline/lubberline/orchestrator/store"
)

// Options is what an API server is made of.
type Options struct {
	// DataDir holds the embedded store and the certificates.
	DataDir string
	// Listen are "host:port"; the first is what kubeconfigs of this machine name.
	Listen []string
	// Advertise is the address by which pods and other machines reach the
	// server; the port is that of Listen's first.
	Advertise netip.Addr
	// Hosts are further names and addresses to be in the serving certificate.
	Hosts []string
	// Store is used instead of an embedded one. Run closes it.
	Store *store.Store
	// StoreSize is how large the embedded one may become, in bytes; 0 is 2 GiB.
	StoreSize int64
	// Claims is where the servers of the store agree on addresses and ports of
	// services; nil where there is only one.
	Claims registry.Claims
	// Names is where they agree on names of machines that join; nil likewise.
	Names join.Names
	// Servers knows the other servers of the same store; nil is none.
	Servers Servers
	// ServiceNetwork holds the cluster IPs; its first address is the API's.
	ServiceNetwork netip.Prefix
	// Domain is the cluster's DNS domain, "cluster.local" when empty.
	Domain string
	// EventLife is how long events are kept, an hour when it is 0.
	EventLife time.Duration
	// MetricsAPI is where metrics.k8s.io is answered: "unix:///path" or
	// "http://host:port"; the group is not served when it is empty.
	MetricsAPI string
	// MetricsElsewhere answers it in MetricsAPI's place where it is not nil; what
	// it is asked has been authorized. Its requests to another server have a
	// Forwarded header.
	MetricsElsewhere func() http.Handler
	// Join is what machines are told that join; nil lets none in.
	Join *join.Cluster
	// Roles are given beside the built-in ones.
	Roles      []access.Binding
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Servers is where the API is served.
type Servers interface {
	// Live are the addresses of all servers that serve now, this one's among them
	// when it does.
	Live() []netip.AddrPort
	// Changed has room for one: it is told of a change.
	Changed() <-chan struct{}
}

func (o *Options) complete() error {
	if o.DataDir == "" {
		return errors.New("no data directory")
	}
	if len(o.Listen) == 0 {
		return errors.New("no address to listen on")
	}
	if !o.Advertise.IsValid() {
		o.Advertise = netip.MustParseAddr("127.0.0.1")
	}
	if !o.ServiceNetwork.IsValid() {
		o.ServiceNetwork = netip.MustParsePrefix("10.96.0.0/16")
	}
	if o.Domain == "" {
		o.Domain = "cluster.local"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// serviceIP is the cluster IP of the API: the network's first address.
func (o *Options) serviceIP() netip.Addr { return o.ServiceNetwork.Masked().Addr().Next() }

// hosts are all names and addresses by which the server is reached.
func (o *Options) hosts() []string {
	all := []string{
		"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + o.Domain,
		"127.0.0.1", o.serviceIP().String(), o.Advertise.String(),
	}
	for _, address := range o.Listen {
		if host, _, err := net.SplitHostPort(address); err == nil && host != "" && !net.ParseIP(host).IsUnspecified() {
			all = append(all, host)
		}
	}
	return append(all, o.Hosts...)
}

// local is the URL by which this machine's clients reach the listener.
func local(l net.Listener) string {
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil || net.ParseIP(host).IsUnspecified() {
		host = "127.0.0.1"
	}
	return fmt.Sprintf("https://%s", net.JoinHostPort(host, port))
}

// endpoint is where the "kubernetes" service leads.
func (s *Server) endpoint() endpoint {
	var port uint16
	if address, err := netip.ParseAddrPort(s.listener.Addr().String()); err == nil {
		port = address.Port()
	}
	e := endpoint{clusterIP: s.options.serviceIP(), address: netip.AddrPortFrom(s.options.Advertise, port)}
	e.all = []netip.AddrPort{e.address}
	if s.options.Servers != nil {
		e.all = s.options.Servers.Live()
	}
	return e
}
