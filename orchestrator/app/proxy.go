package app

import (
	"context"

	"github.com/lubberline/lubberline/orchestrator/proxy"
)

// buildProxy makes what serves the services' addresses on this machine.
func (a *App) buildProxy() error {
	n := a.cfg.Network
	p, err := proxy.New(proxy.Options{
		Informers: a.server.Informers(), NodeName: a.o.Node,
		PodNetwork: n.Pods, LocalPods: n.Node, ServiceNetwork: n.Services, Bridge: n.Bridge, TableName: n.table(),
		Events: a.events.of("kube-proxy", a.o.Node), Logger: a.logger("proxy"), Registerer: a.o.Registerer,
	})
	if err != nil {
		return err
	}
	a.parts = append(a.parts, part{"proxy", p})
	return nil
}

// table is the kernel's table of services. A second cluster on a machine has its
// own, as it has its own bridge.
func (n *NetworkConfig) table() string {
	if n.Bridge == DefaultConfig().Network.Bridge {
		return ""
	}
	return "lubberline-" + n.Bridge
}

// Trace tells where a service's address leads on this machine.
func (c *Config) Trace(ctx context.Context, address, protocol string) (proxy.Route, error) {
	return proxy.Trace(ctx, c.Network.table(), address, protocol)
}
