package app

import (
	"crypto/x509"
	"net/http"
	"net/netip"
	"path/filepath"

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
	handlers := map[string]http.Handler{}
	for _, path := range statsPaths {
		if a.o.Stats != nil {
			handlers[path] = a.o.Stats
		}
	}
	a.agent, err = agent.New(agent.Options{
		Client: client, Informers: a.server.Informers(), Events: a.events.of("kubelet", a.o.Node),
		NodeName: a.o.Node, Addresses: []string{a.address.String()}, PodCIDRs: []string{a.cfg.Network.Node.String()},
		MaxPods: int64(a.cfg.Runtime.MaxPods), Socket: a.RuntimeSocket(),
		Root: filepath.Join(a.o.DataDir, "node"), LogDir: a.cfg.Runtime.PodLogs,
		ClusterDNS: []string{nth(a.cfg.Network.Services, dnsIndex).String()}, ClusterDomain: a.cfg.Network.Domain,
		Port: int32(a.cfg.KubeletPort), Cgroup: filepath.Join(a.cfg.Runtime.CgroupRoot, "kubepods"),
		Certificate: certificate.Certificate, ClientCAs: func() *x509.CertPool { return authorities }, Handlers: handlers,
		Logger: a.logger("kubelet"), Registerer: a.o.Registerer,
	})
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
