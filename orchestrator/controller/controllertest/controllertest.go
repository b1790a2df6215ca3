// Package controllertest runs controllers against a real API server in tests.
package controllertest

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"

	"github.com/lubberline/lubberline/orchestrator/apiserver"
	"github.com/lubberline/lubberline/orchestrator/apiserver/apitest"
	"github.com/lubberline/lubberline/orchestrator/controller/objectwatch"
)

// Wait and Tick are for require.Eventually.
const (
	Wait = 20 * time.Second
	Tick = 20 * time.Millisecond
)

// Cluster is an API server and what controllers of it are made of.
type Cluster struct {
	Server    *apiserver.Server
	Client    kubernetes.Interface
	Metadata  metadata.Interface
	Informers informers.SharedInformerFactory
	Objects   *objectwatch.Watcher
	Logger    *slog.Logger
}

// Start starts an API server that lives as long as the test. No controller
// runs until Run.
func Start(t testing.TB) *Cluster {
	t.Helper()
	s := apitest.Start(t)
	cfg := s.ClientConfig("system:kube-controller-manager", "system:masters")
	client, err := kubernetes.NewForConfig(cfg)
	require.NoError(t, err)
	m, err := metadata.NewForConfig(metadata.ConfigFor(cfg))
	require.NoError(t, err)
	c := &Cluster{
		Server: s, Client: client, Metadata: m, Informers: informers.NewSharedInformerFactory(client, 0),
		Logger: slog.New(slog.DiscardHandler),
	}
	c.Objects, err = objectwatch.New(objectwatch.Options{
		Metadata: m, Discovery: client.Discovery(), Informers: c.Informers, Shared: objectwatch.SharedResources(), Logger: c.Logger,
	})
	require.NoError(t, err)
	return c
}

// Run starts the informers, the object watch and the given controllers, until
// the test ends.
func (c *Cluster) Run(t testing.TB, controllers ...interface{ Run(context.Context) error }) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		running.Wait()
		c.Informers.Shutdown()
	})
	c.Informers.Start(ctx.Done())
	for _, one := range append(controllers, c.Objects) {
		running.Go(func() {
			if err := one.Run(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("%T ended: %v", one, err)
			}
		})
	}
}

// Namespace creates a namespace. Pods can be created in it once it has its
// default service account.
func (c *Cluster) Namespace(t testing.TB, name string) {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	_, err := c.Client.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{})
	require.NoError(t, err)
}

// Account creates the default service account of a namespace, for tests that do
// not run its controller.
func (c *Cluster) Account(t testing.TB, namespace string) {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	_, err := c.Client.CoreV1().ServiceAccounts(namespace).Create(t.Context(), account, metav1.CreateOptions{})
	require.NoError(t, err)
}

// Pod creates a pod; change, when given, alters it before.
func (c *Cluster) Pod(t testing.TB, namespace, name string, change ...func(*corev1.Pod)) *corev1.Pod {
	t.Helper()
	pod, err := c.TryPod(t.Context(), namespace, name, change...)
	require.NoError(t, err)
	return pod
}

// TryPod is Pod for what may be refused.
func (c *Cluster) TryPod(ctx context.Context, namespace, name string, change ...func(*corev1.Pod)) (*corev1.Pod, error) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "example.com/image"}}},
	}
	for _, f := range change {
		f(pod)
	}
	return c.Client.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{})
}
