package app

import (
	"net/netip"
	"path/filepath"

	"k8s.io/client-go/kubernetes"

	agent "github.com/lubberline/lubberline/orchestrator/agent/app"
)

// dnsIndex is the DNS server's place among the cluster IPs.
const dnsIndex = 10

// buildAgent makes this machine's node agent. It may only do what a node may.
func (a *App) buildAgent() error {
	client, err := kubernetes.NewForConfig(a.server.ClientConfig("system:node:"+a.o.Node, "system:nodes"))
	if err != nil {
		return err
	}
	a.agent, err = agent.New(agent.Options{
		Client: client, Informers: a.server.Informers(), Events: a.events.of("kubelet", a.o.Node),
		NodeName: a.o.Node, Addresses: []string{a.address.String()}, PodCIDRs: []string{a.cfg.Network.Node.String()},
		Socket: a.RuntimeSocket(), Root: filepath.Join(a.o.DataDir, "node"), LogDir: a.cfg.Runtime.PodLogs,
		ClusterDNS: []string{nth(a.cfg.Network.Services, dnsIndex).String()}, ClusterDomain: a.cfg.Network.Domain,
		Port: int32(a.cfg.KubeletPort), Cgroup: filepath.Join(a.cfg.Runtime.CgroupRoot, "kubepods"),
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
