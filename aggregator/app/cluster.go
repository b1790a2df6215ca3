package app

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	joined "github.com/lubberline/lubberline/aggregator/kubernetes"
	receivelogs "github.com/lubberline/lubberline/aggregator/receive/logs"
)

// buildJoin watches the cluster that was handed in or is configured, if any.
func (a *App) buildJoin() error {
	if a.cluster == nil {
		if a.cfg.Kubernetes == nil {
			return nil
		}
		if err := a.connectCluster(a.cfg.Kubernetes); err != nil {
			return err
		}
	}
	logs := make([]joined.Logs, 0, len(a.logStores))
	for _, store := range a.logStores {
		logs = append(logs, store)
	}
	var err error
	a.join, err = joined.New(joined.Options{
		Client: a.cluster.Client, Informers: a.cluster.Informers,
		Metrics: a.metricStore, Observer: a.rollup, Logs: logs, PositionFile: a.path("kubernetes/events.json"),
		Logger: a.logger("kubernetes"), Registerer: a.metrics,
	})
	if err != nil {
		return err
	}
	a.group.Go("kubernetes", a.join.Run)
	return nil
}

// connectCluster makes client and informers of our own.
func (a *App) connectCluster(cfg *KubernetesConfig) error {
	rest, err := clientcmd.BuildConfigFromFlags("", cfg.Kubeconfig)
	if err != nil {
		return fmt.Errorf("kubernetes: kubeconfig %q: %w", cfg.Kubeconfig, err)
	}
	rest.ContentType = "application/vnd.kubernetes.protobuf"
	rest.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	client, err := kubernetes.NewForConfig(rest)
	if err != nil {
		return fmt.Errorf("kubernetes: kubeconfig %q: %w", cfg.Kubeconfig, err)
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(withoutManagedFields))
	a.cluster = &Cluster{Client: client, Informers: factory}
	a.group.Go("kubernetes informers", func(ctx context.Context) error {
		factory.Start(ctx.Done())
		<-ctx.Done()
		factory.Shutdown()
		return nil
	})
	return nil
}

// withoutManagedFields drops what takes a third of an object and is never read.
func withoutManagedFields(object any) (any, error) {
	if o, err := meta.Accessor(object); err == nil {
		o.SetManagedFields(nil)
	}
	return object, nil
}

// controllers returns an interface without a value where there is no cluster.
func (a *App) controllers() receivelogs.Controllers {
	if a.join == nil {
		return nil
	}
	return a.join
}
