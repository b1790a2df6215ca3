// Package kubernetes joins the stores with the objects of a cluster: it writes
// the kube_* series, keeps Kubernetes events as log records, and knows which
// controller a pod belongs to.
package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/storage"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"

	"github.com/lubberline/lubberline/aggregator/rollup"
	"github.com/lubberline/lubberline/logrecord"
)

// defaultInterval is between two writings of the kube_* series: within
// Prometheus' five minutes many times over, and cheap.
const defaultInterval = 15 * time.Second

// Logs keeps records. Append returns nil once all batches are durable; one whose
// ChunkID it holds already changes nothing.
type Logs interface {
	Append(ctx context.Context, batches []logrecord.Batch) error
}

// Observer is told of samples once they are stored.
type Observer interface {
	Observe(samples []rollup.Sample)
}

// Options is what the join needs.
type Options struct {
	Client kubernetes.Interface
	// Informers deliver the cluster's objects. Whoever made them starts them.
	Informers informers.SharedInformerFactory
	// Metrics takes the series, Observer is told of them, Logs take the events.
	Metrics  storage.Appendable
	Observer Observer
	Logs     []Logs
	// PositionFile remembers how far events were read.
	PositionFile string
	// Interval is 15 s when 0.
	Interval   time.Duration
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Join is the joining of one cluster.
type Join struct {
	objects *objects
	writer  *writer
	events  *events
	log     *slog.Logger

	interval time.Duration
}

// New asks the informers for what it needs; the caller starts them afterwards.
func New(o Options) (*Join, error) {
	if o.Interval == 0 {
		o.Interval = defaultInterval
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	objects, err := newObjects(o.Informers)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	return &Join{
		objects: objects, log: o.Logger, interval: o.Interval,
		writer: newWriter(o.Metrics, o.Observer),
		events: newEvents(o.Client.CoreV1(), objects.controllers, o.Logs, o.PositionFile, o.Logger, m),
	}, nil
}

// Run works until ctx ends. A cluster that is away is waited for.
func (j *Join) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return j.events.run(ctx) })
	group.Go(func() error { return j.writeSeries(ctx) })
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Controller is the topmost controller of the pod, as "Deployment/web"; empty
// when it has none. Pods are known for a while after their end; those of
// namespaces that the cluster does not have are known to have none.
func (j *Join) Controller(namespace, pod string) (controller string, known bool) {
	found, known := j.objects.controllers.of(namespace, pod)
	return found.String(), known || !j.objects.mayHave(namespace)
}

func (j *Join) writeSeries(ctx context.Context) error {
	if !j.objects.sync(ctx) {
		return nil
	}
	tick := time.NewTicker(j.interval)
	defer tick.Stop()
	for {
		if err := j.writer.write(ctx, time.Now(), j.objects.emitAll); err != nil && ctx.Err() == nil {
			j.log.Warn("the series of Kubernetes objects cannot be stored", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
