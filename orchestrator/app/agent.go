package app

import (
	"crypto/x509"
	"net/netip"

	"k8s.io/client-go/kubernetes"

	agent "github.com/lubberline/lubberline/orchestrator/agent/app"
	"github.com/lubberline/lubberline/orchestrator/pki"
)

// dnsIndex is the DNS server's place among the cluster IPs.
const dnsIndex = 10

// statsPaths are what the collector answers in the kubelet's place.
var statsPaths = []string{"/stats/summary", "/metrics/cadvisor", "/metrics/resource"}

// buildAgent makes this machine's node agent. It may only do what a node may.
func (a *App) buildAgent() error {
	client, err := kubernetes.NewForConfig(a.server.ClientConfig("system:node:"+a.o.Node, "system:nodes"))
	if err != nil {
		return err
	}
	certificate, err := a.server.PKI().Pair(pki.Request{
		Name: "kubelet-server", User: "system:node:" + a.o.Node, Groups: []string{"system:nodes"},
		Hosts: []string{a.o.Node, a.address.String(), "127.0.0.1", "localhost"},
	})
	if err != nil {
		return err
	}
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(a.server.PKI().CA())
	options := agentOptions(a.cfg, a.o.DataDir, a.o.Node, a.address, a.o.Stats)
	options.Client, options.Informers, options.Events = client, a.server.Informers(), a.events.of("kubelet", a.o.Node)
	options.Socket = a.RuntimeSocket()
	options.Certificate, options.ClientCAs = certificate.Certificate, func() *x509.CertPool { return authorities }
	options.Logger, options.Registerer = a.logger("kubelet"), a.o.Registerer
	a.agent, err = agent.New(options)
	if err != nil {
		return err
	}
	a.parts = append(a.parts, part{"node agent", a.agent})
	return nil
}

// nth is the address that comes n after the network's own.
func nth(network netip.Prefix, n int) netip.Addr {
	address := network.Masked().Addr()
	for range n {
		address = address.Next()
	}
	return address
}
