package app

import (
	"context"
	"net"
	"strconv"

	"k8s.io/client-go/tools/record"

	"github.com/lubberline/lubberline/orchestrator/controller"
)

// runFunc is a part that is a function.
type runFunc func(context.Context) error

// Run implements runner.
func (f runFunc) Run(ctx context.Context) error { return f(ctx) }

// buildWorkloads makes the controllers of pods, services and nodes.
func (a *App) buildWorkloads(t *term) error {
	all, err := controller.All(controller.Options{
		Client: a.client, Informers: t.informers,
		Events: func(component string) record.EventRecorder { return a.events.of(component, "") },
		Logger: a.logger("controllers"), Registerer: t.registerer,
		NodeGracePeriod:  a.cfg.NodeGracePeriod,
		LoadBalancerPool: a.cfg.Network.LoadBalancerPool, NodePorts: a.cfg.nodePorts(),
	})
	for _, c := range all {
		t.add(c.Name, runFunc(c.Run))
	}
	return err
}

// nodePorts are the TCP ports on the nodes' addresses that no service may take.
func (c *Config) nodePorts() []int32 {
	ports := []int32{int32(c.KubeletPort), int32(c.LogsPort)}
	if _, text, err := net.SplitHostPort(c.API); err == nil {
		if port, err := strconv.ParseUint(text, 10, 16); err == nil {
			ports = append(ports, int32(port))
		}
	}
	return ports
}
