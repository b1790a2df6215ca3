package app

import (
	"context"
	"fmt"

	"k8s.io/client-go/metadata"

	"github.com/lubberline/lubberline/orchestrator/controller/garbagecollector"
	"github.com/lubberline/lubberline/orchestrator/controller/namespace"
	"github.com/lubberline/lubberline/orchestrator/controller/objectwatch"
	"github.com/lubberline/lubberline/orchestrator/controller/resourcequota"
	"github.com/lubberline/lubberline/orchestrator/controller/serviceaccount"
)

// runner is what every controller is.
type runner interface{ Run(context.Context) error }

// buildControllers makes every reconcile loop.
func (a *App) buildControllers(t *term) error {
	objects, dynamic, err := a.watchObjects(t)
	if err != nil {
		return err
	}
	t.add("object watch", objects)
	log := a.logger
	for _, c := range []struct {
		name  string
		build func() (runner, error)
	}{
		{"namespace", func() (runner, error) {
			return namespace.New(namespace.Options{Client: a.client, Metadata: dynamic, Informers: t.informers, Logger: log("namespace"), Registerer: t.registerer})
		}},
		{"garbage collector", func() (runner, error) {
			return garbagecollector.New(garbagecollector.Options{
				Metadata: dynamic, Objects: objects, Events: a.events.of("garbage-collector-controller", ""), Logger: log("garbagecollector"), Registerer: t.registerer,
			})
		}},
		{"resource quota", func() (runner, error) {
			return resourcequota.New(resourcequota.Options{Client: a.client, Informers: t.informers, Objects: objects, Logger: log("resourcequota"), Registerer: t.registerer})
		}},
		{"service accounts", func() (runner, error) {
			return serviceaccount.New(serviceaccount.Options{
				Client: a.client, Informers: t.informers, RootCA: a.server.PKI().CA(), Logger: log("serviceaccount"), Registerer: t.registerer,
			})
		}},
	} {
		controller, err := c.build()
		if err != nil {
			return fmt.Errorf("controller %s: %w", c.name, err)
		}
		t.add(c.name, controller)
	}
	return a.buildWorkloads(t)
}

// watchObjects watches every kind, for the controllers that look at all of them.
func (a *App) watchObjects(t *term) (*objectwatch.Watcher, metadata.Interface, error) {
	config := a.server.ClientConfig("system:kube-controller-manager", "system:masters")
	m, err := metadata.NewForConfig(metadata.ConfigFor(config))
	if err != nil {
		return nil, nil, err
	}
	objects, err := objectwatch.New(objectwatch.Options{
		Metadata: m, Discovery: a.client.Discovery(), Informers: t.informers,
		Shared: objectwatch.SharedResources(), Logger: a.logger("objectwatch"),
	})
	return objects, m, err
}
