// Package store keeps the API server's objects in etcd: one inside this
// process, without sockets, or an external cluster.
package store

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/etcd/api/v3/version"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/kubernetes"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/etcd3"
	etcdfeature "k8s.io/apiserver/pkg/storage/feature"
	"k8s.io/utils/clock"
)

// compactEvery is how long old revisions are kept: a watch that is behind by
// more has to list again.
const compactEvery = 5 * time.Minute

// Options say where the objects are.
type Options struct {
	// Dir is the embedded store's directory. It is made when it is not there.
	// One process at a time; the caller sees to that.
	Dir string
	// External, when it names endpoints, is used instead of Dir.
	External External
	// Quota is how large the embedded store's file may become, in bytes; writes
	// are refused then. 0 is 2 GiB.
	Quota      int64
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// External is an etcd cluster of its own.
type External struct {
	Endpoints []string
	// CertFile, KeyFile and CAFile are for TLS; all empty without.
	CertFile, KeyFile, CAFile string
}

// Store is an open connection. Its methods are safe for concurrent use.
type Store struct {
	// Client speaks to etcd; it is not closed by its users.
	Client *kubernetes.Client
	// Compactor knows what has been compacted.
	Compactor etcd3.Compactor

	log      *slog.Logger
	stop     []func() // undoes Open, last first
	once     sync.Once
	embedded *embedded // nil with an external cluster
}

// checkBound is how soon a store that is well answers.
const checkBound = 2 * time.Second

// Check says whether the store answers, for health checks.
func (s *Store) Check(r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), checkBound)
	defer cancel()
	if _, err := s.Client.Client.Get(ctx, "health"); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// Open starts the embedded etcd and waits until it serves, or connects to the
// external one and waits until that answers. ctx bounds the waiting.
func Open(ctx context.Context, o Options) (_ *Store, err error) {
	s := &Store{log: o.Logger}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if len(o.External.Endpoints) > 0 {
		err = s.connect(ctx, o.External)
	} else {
		err = s.embed(ctx, o)
	}
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	compactor := etcd3.NewCompactor(s.Client.Client, compactEvery, clock.RealClock{}, nil)
	s.Compactor = compactor
	s.stop = append(s.stop, compactor.Stop)
	return s, nil
}

func (s *Store) embed(ctx context.Context, o Options) error {
	e, err := startEmbedded(ctx, o)
	if err != nil {
		return err
	}
	s.embedded, s.Client = e, wrap(e.client)
	s.Client.Kubernetes = guarded{s.Client.Kubernetes, e.room}
	s.stop = append(s.stop, e.close)
	if e.metrics, err = newMetrics(o.Registerer, e); err != nil {
		return err
	}
	s.stop = append(s.stop, e.metrics.set.Unregister)
	keeping, end := context.WithCancel(context.Background())
	var keepers sync.WaitGroup
	keepers.Go(func() { e.defragment(keeping) })
	keepers.Go(func() { e.room.run(keeping, e.makeRoom) })
	s.stop = append(s.stop, func() { end(); keepers.Wait() })
	// The library asks a server for its version by its endpoint, which the
	// client inside the process has not.
	etcdfeature.DefaultFeatureSupportChecker.CheckClient(ctx, inProcess{}, storage.RequestWatchProgress)
	return nil
}

// Close ends the connection and the embedded etcd. Nothing acknowledged is
// lost, with or without it.
func (s *Store) Close() {
	s.once.Do(func() {
		for i := len(s.stop) - 1; i >= 0; i-- {
			s.stop[i]()
		}
	})
}

// Ready says whether the store answers: nil, or why not.
func (s *Store) Ready(ctx context.Context) error {
	_, err := s.Client.Client.Get(ctx, "/registry/health")
	return err
}

// wrap gives a client the interface that the API server's library uses.
func wrap(c *clientv3.Client) *kubernetes.Client {
	k := &kubernetes.Client{Client: c}
	k.Kubernetes = k
	return k
}

// inProcess answers the library's question which etcd it speaks to.
type inProcess struct{}

func (inProcess) Endpoints() []string { return []string{"in-process"} }

func (inProcess) Status(context.Context, string) (*clientv3.StatusResponse, error) {
	return &clientv3.StatusResponse{Version: version.Version}, nil
}
