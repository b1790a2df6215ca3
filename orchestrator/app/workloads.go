package app

import (
	"fmt"

	"github.com/lubberline/lubberline/orchestrator/controller/deployment"
	"github.com/lubberline/lubberline/orchestrator/controller/replication"
)

// buildWorkloads makes the controllers of pods.
func (a *App) buildWorkloads() error {
	informers, log, r := a.server.Informers(), a.logger, a.o.Registerer
	replicas := func(component string) replication.Options {
		return replication.Options{Client: a.client, Informers: informers, Events: a.events.of(component, ""), Logger: log(component), Registerer: r}
	}
	for _, c := range []struct {
		name  string
		build func() (runner, error)
	}{
		{"replication controllers", func() (runner, error) {
			return replication.NewReplicationControllers(replicas("replication-controller"))
		}},
		{"replica sets", func() (runner, error) { return replication.NewReplicaSets(replicas("replicaset-controller")) }},
		{"deployments", func() (runner, error) {
			return deployment.New(deployment.Options{
				Client: a.client, Informers: informers, Events: a.events.of("deployment-controller", ""), Logger: log("deployment"), Registerer: r,
			})
		}},
	} {
		controller, err := c.build()
		if err != nil {
			return fmt.Errorf("controller of %s: %w", c.name, err)
		}
		a.parts = append(a.parts, part{c.name, controller})
	}
	return nil
}
