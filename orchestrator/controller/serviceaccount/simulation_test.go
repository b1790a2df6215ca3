package serviceaccount

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// faults makes requests of the controller fail.
type faults struct {
	mu     sync.Mutex
	rng    *rand.Rand
	likely float64
}

func (f *faults) react(a clienttesting.Action) (bool, runtime.Object, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if verb := a.GetVerb(); (verb == "create" || verb == "update") && f.rng.Float64() < f.likely {
		return true, nil, apierrors.NewInternalError(errors.New("injected"))
	}
	return false, nil, nil
}

func (f *faults) set(likely float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.likely = likely
}

// simulation lets users create and delete namespaces, and meddle with what the
// controller keeps in them. In the end every namespace has its account and
// bundle, and one that is being deleted gets nothing new.
type simulation struct {
	t      *testing.T
	rng    *rand.Rand
	client *fake.Clientset
	faults *faults
	ending map[string]bool
}

func (s *simulation) user(f func()) {
	s.faults.set(0)
	f()
	s.faults.set(0.2)
}

func (s *simulation) act() {
	ctx, core := s.t.Context(), s.client.CoreV1()
	name := fmt.Sprintf("n%d", s.rng.IntN(3))
	switch s.rng.IntN(7) {
	case 0, 1:
		_, err := core.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		require.True(s.t, err == nil || apierrors.IsAlreadyExists(err))
	case 2:
		_ = core.ServiceAccounts(name).Delete(ctx, "default", metav1.DeleteOptions{})
	case 3:
		_ = core.ConfigMaps(name).Delete(ctx, RootCAName, metav1.DeleteOptions{})
	case 4:
		if b, err := core.ConfigMaps(name).Get(ctx, RootCAName, metav1.GetOptions{}); err == nil {
			b.Data[RootCAKey] = "forged"
			_, err = core.ConfigMaps(name).Update(ctx, b, metav1.UpdateOptions{})
			require.NoError(s.t, err)
		}
	case 5:
		s.end(name)
	case 6:
		time.Sleep(time.Duration(s.rng.IntN(100)) * time.Millisecond)
	}
}

// end deletes a namespace as far as its content is gone.
func (s *simulation) end(name string) {
	ctx, core := s.t.Context(), s.client.CoreV1()
	ns, err := core.Namespaces().Get(ctx, name, metav1.GetOptions{})
	if err != nil || s.ending[name] {
		return
	}
	ns.Status.Phase = corev1.NamespaceTerminating
	_, err = core.Namespaces().Update(ctx, ns, metav1.UpdateOptions{})
	require.NoError(s.t, err)
	s.ending[name] = true
	synctest.Wait()
	_ = core.ServiceAccounts(name).Delete(ctx, "default", metav1.DeleteOptions{})
	_ = core.ConfigMaps(name).Delete(ctx, RootCAName, metav1.DeleteOptions{})
}

func (s *simulation) check() {
	ctx, core := s.t.Context(), s.client.CoreV1()
	list, err := core.Namespaces().List(ctx, metav1.ListOptions{})
	require.NoError(s.t, err)
	for _, ns := range list.Items {
		_, errAccount := core.ServiceAccounts(ns.Name).Get(ctx, "default", metav1.GetOptions{})
		b, errBundle := core.ConfigMaps(ns.Name).Get(ctx, RootCAName, metav1.GetOptions{})
		if s.ending[ns.Name] {
			require.True(s.t, apierrors.IsNotFound(errAccount) && apierrors.IsNotFound(errBundle))
			continue
		}
		require.NoError(s.t, errors.Join(errAccount, errBundle))
		require.Equal(s.t, map[string]string{RootCAKey: "the CA"}, b.Data)
	}
}

func simulate(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 3))
	s := &simulation{t: t, rng: rng, client: fake.NewClientset(), faults: &faults{rng: rand.New(rand.NewPCG(seed, 4))}, ending: map[string]bool{}}
	s.client.PrependReactor("*", "*", s.faults.react)
	factory := informers.NewSharedInformerFactory(s.client, 0)
	c, err := New(Options{Client: s.client, Informers: factory, RootCA: []byte("the CA"), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = c.Run(ctx) })
	factory.Start(ctx.Done())
	synctest.Wait()
	s.faults.set(0.2)
	for range 150 {
		s.user(s.act)
		if rng.IntN(2) == 0 {
			synctest.Wait()
		}
	}
	s.faults.set(0)
	time.Sleep(time.Hour)
	s.check()
	cancel()
	running.Wait()
	factory.Shutdown()
}

func TestRandomNamespaces(t *testing.T) {
	const runs = 12
	t.Attr("runs", fmt.Sprint(runs))
	for seed := range uint64(runs) {
		synctest.Test(t, func(t *testing.T) { simulate(t, seed) })
	}
}

func TestARootCAIsNeeded(t *testing.T) {
	_, err := New(Options{Client: fake.NewClientset(), Informers: informers.NewSharedInformerFactory(fake.NewClientset(), 0)})
	require.EqualError(t, err, "service account controller: no root CA")
}
