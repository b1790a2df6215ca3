// Package controller makes the controllers of workloads, nodes and services.
package controller

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"

	"github.com/lubberline/lubberline/orchestrator/controller/clusterrole"
	"github.com/lubberline/lubberline/orchestrator/controller/daemonset"
	"github.com/lubberline/lubberline/orchestrator/controller/deployment"
	"github.com/lubberline/lubberline/orchestrator/controller/disruption"
	"github.com/lubberline/lubberline/orchestrator/controller/endpoints"
	"github.com/lubberline/lubberline/orchestrator/controller/ephemeralvolume"
	"github.com/lubberline/lubberline/orchestrator/controller/loadbalancer"
	"github.com/lubberline/lubberline/orchestrator/controller/nodelifecycle"
	"github.com/lubberline/lubberline/orchestrator/controller/persistentvolume"
	"github.com/lubberline/lubberline/orchestrator/controller/podgc"
	"github.com/lubberline/lubberline/orchestrator/controller/replication"
)

// Options is what the controllers are made of.
type Options struct {
	Client    kubernetes.Interface
	Informers informers.SharedInformerFactory // to be started after All
	// Events returns the recorder of a component, as "replicaset-controller".
	Events     func(component string) record.EventRecorder
	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
	// NodeGracePeriod is how long a node may be silent; 0 is 40 s.
	NodeGracePeriod time.Duration
	// EndedPods is how many pods that have ended are kept; 0 is 12,500.
	EndedPods int
	// LoadBalancerPool has the addresses of services of type LoadBalancer; empty
	// gives them those of the nodes, without the TCP ports NodePorts.
	LoadBalancerPool []netip.Prefix
	NodePorts        []int32
}

// Named is a controller with its name. Run works until its context ends.
type Named struct {
	Name string
	Run  func(ctx context.Context) error
}

type runner interface {
	Run(ctx context.Context) error
}

// All makes all of them. None runs before its Run.
func All(o Options) ([]Named, error) {
	parts := []struct {
		name string
		make func(log *slog.Logger, events record.EventRecorder) (runner, error)
	}{
		{"replication-controller", func(log *slog.Logger, events record.EventRecorder) (runner, error) {
			return replication.NewReplicationControllers(replication.Options{Client: o.Client, Informers: o.Informers, Events: events, Logger: log, Registerer: o.Registerer})
		}},
		{"replicaset-controller", func(log *slog.Logger, events record.EventRecorder) (runner, error) {
			return replication.NewReplicaSets(replication.Options{Client: o.Client, Informers: o.Informers, Events: events, Logger: log, Registerer: o.Registerer})
		}},
		{"deployment-controller", func(log *slog.Logger, events record.EventRecorder) (runner, error) {
			return deployment.New(deployment.Options{Client: o.Client, Informers: o.Informers, Events: events, Logger: log, Registerer: o.Registerer})
		}},
		{"daemonset-controller", func(log *slog.Logger, events record.EventRecorder) (runner, error) {
			return daemonset.New(daemonset.Options{Client: o.Client, Informers: o.Informers, Events: events, Logger: log, Registerer: o.Registerer})
		}},
		{"endpoint-controller", func(log *slog.Logger, events record.EventRecorder) (runner, error) {
			return endpoints.New(endpoints.Options{Client: o.Client, Informers: o.Informers, Events: events, Logger: log, Registerer: o.Registerer})
		}},
		{"service-controller", func(log *slog.Logger, events record.EventRecorder) (runner, error) {
			return loadbalancer.New(loadbalancer.Options{Client: o.Client, Informers: o.Informers, Events: events, Logger: log, Registerer: o.Registerer, Pool: o.LoadBalancerPool, NodePorts: o.NodePorts})
		}},
		{"disruption-controller", func(log *slog.Logger, events record.EventRecorder) (runner, error) {
			return disruption.New(disruption.Options{Client: o.Client, Informers: o.Informers, Events: events, Logger: log, Registerer: o.Registerer})
		}},
		{"node-controller", func(log *slog.Logger, events record.EventRecorder) (runner, error) {
			return nodelifecycle.New(nodelifecycle.Options{Client: o.Client, Informers: o.Informers, Events: events, Logger: log, Registerer: o.Registerer, GracePeriod: o.NodeGracePeriod})
		}},
		{"persistentvolume-controller", func(log *slog.Logger, events record.EventRecorder) (runner, error) {
			return persistentvolume.New(persistentvolume.Options{Client: o.Client, Informers: o.Informers, Events: events, Logger: log, Registerer: o.Registerer})
		}},
		{"ephemeral-volume-controller", func(log *slog.Logger, events record.EventRecorder) (runner, error) {
			return ephemeralvolume.New(ephemeralvolume.Options{Client: o.Client, Informers: o.Informers, Events: events, Logger: log, Registerer: o.Registerer})
		}},
		{"clusterrole-aggregation-controller", func(log *slog.Logger, _ record.EventRecorder) (runner, error) {
			return clusterrole.New(clusterrole.Options{Client: o.Client, Informers: o.Informers, Logger: log, Registerer: o.Registerer})
		}},
		{"pod-garbage-collector", func(log *slog.Logger, _ record.EventRecorder) (runner, error) {
			return podgc.New(podgc.Options{Client: o.Client, Informers: o.Informers, Logger: log, Registerer: o.Registerer, Threshold: o.EndedPods})
		}},
	}
	var all []Named
	for _, part := range parts {
		r, err := part.make(o.Logger.With("controller", part.name), o.Events(part.name))
		if err != nil {
			return nil, fmt.Errorf("make %s: %w", part.name, err)
		}
		all = append(all, Named{part.name, r.Run})
	}
	return all, nil
}
