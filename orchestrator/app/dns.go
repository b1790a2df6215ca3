package app

import (
	"fmt"
	"net/netip"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/lubberline/lubberline/orchestrator/dns"
)

// dnsPort is where DNS is taken when nothing else is configured.
const dnsPort = 53

// DNSConfig is the DNS server of pods.
type DNSConfig struct {
	// Listen are addresses with ports; empty is the node's address, port 53.
	Listen []netip.AddrPort `yaml:"listen"`
	// Resolvers are asked for names outside the cluster; empty asks those of
	// ResolvConf, which is followed when it changes.
	Resolvers  []netip.AddrPort `yaml:"resolvers"`
	ResolvConf string           `yaml:"resolv_conf"`
}

// defaultDNS is what holds where the file says nothing.
func defaultDNS() DNSConfig { return DNSConfig{ResolvConf: "/etc/resolv.conf"} }

func (c *DNSConfig) validate() error {
	for i, a := range c.Listen {
		if !a.IsValid() || a.Addr().IsUnspecified() {
			return fmt.Errorf("dns.listen[%d]: %q: want the address of one interface, with a port", i, a)
		}
	}
	for i, a := range c.Resolvers {
		if !a.IsValid() || a.Port() == 0 {
			return fmt.Errorf("dns.resolvers[%d]: %q: want an address with a port", i, a)
		}
	}
	return nil
}

// buildDNS makes the DNS server of pods.
func (a *App) buildDNS() error {
	listen := a.cfg.DNS.Listen
	if len(listen) == 0 {
		listen = []netip.AddrPort{netip.AddrPortFrom(a.address, dnsPort)}
	}
	config := a.server.ClientConfig("system:kube-controller-manager", "system:masters")
	config.WarningHandler = rest.NoWarnings{} // Endpoints are deprecated, and still read
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	a.dns, err = dns.New(dns.Options{
		Client: client, Informers: a.server.Informers(), Listen: listen, Domain: a.cfg.Network.Domain,
		ServiceIP: nth(a.cfg.Network.Services, dnsIndex), Networks: []netip.Prefix{a.cfg.Network.Pods, a.cfg.Network.Services},
		Servers: a.dnsServers(), Resolvers: a.cfg.DNS.Resolvers, ResolvConf: a.cfg.DNS.ResolvConf,
		Logger: a.logger("dns"), Registerer: a.o.Registerer,
	})
	if err != nil {
		return err
	}
	a.parts = append(a.parts, part{"dns", a.dns})
	return nil
}

// dnsServers are those of all control hosts; nil with the embedded store.
func (a *App) dnsServers() func() []netip.AddrPort {
	if a.servers == nil {
		return nil
	}
	return a.servers.DNS
}
