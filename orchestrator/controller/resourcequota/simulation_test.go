package resourcequota

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	listers "k8s.io/client-go/listers/core/v1"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/lubberline/lubberline/orchestrator/controller/objectwatch"
)

// maxLag is the longest that the store, or a watch, takes in the simulation.
const maxLag = 100 * time.Millisecond

// simulation is one random run of pods that come and go, of admission that
// charges them and of the controller that counts them, each of which hears of
// the others late. Its invariants:
//   - there are never more pods than the quota allows;
//   - in the end the quota says how many there are.
type simulation struct {
	t        *testing.T
	seed     uint64
	rng      *rand.Rand
	clock    *clocktesting.FakeClock
	c        *Controller
	kind     objectwatch.Kind
	failing  float64
	quota    *corev1.ResourceQuota
	version  int
	pods     map[string]*corev1.Pod
	quotas   cache.Indexer // as the informers have them
	cached   cache.Indexer
	later    map[string][]event // by what brings them, in order
	nextName int
}

type event struct {
	at time.Time
	do func()
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	s := &simulation{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 5)), clock: clocktesting.NewFakeClock(time.Unix(0, 0)),
		kind: objectwatch.Kind{Resource: corev1.SchemeGroupVersion.WithResource("pods"), Kind: "Pod", Namespaced: true},
		pods: map[string]*corev1.Pod{}, later: map[string][]event{},
	}
	index := cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}
	s.quotas, s.cached = cache.NewIndexer(cache.MetaNamespaceKeyFunc, index), cache.NewIndexer(cache.MetaNamespaceKeyFunc, index)
	var err error
	s.c, err = newController(Options{Client: s.client(), Logger: slog.New(slog.DiscardHandler), Clock: s.clock},
		listers.NewResourceQuotaLister(s.quotas), s, nil)
	require.NoError(t, err)
	s.storeQuota(&corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "q"}, Spec: corev1.ResourceQuotaSpec{Hard: list("pods", "5")}})
	return s
}

func (s *simulation) Watched() []objectwatch.Kind { return []objectwatch.Kind{s.kind} }

func (s *simulation) Informer(gvr schema.GroupVersionResource) (informers.GenericInformer, error) {
	if gvr != s.kind.Resource {
		return nil, errors.New("not watched")
	}
	return genericInformer{s}, nil
}

type genericInformer struct{ s *simulation }

func (g genericInformer) Informer() cache.SharedIndexInformer { return synced{} }
func (g genericInformer) Lister() cache.GenericLister {
	return cache.NewGenericLister(g.s.cached, g.s.kind.Resource.GroupResource())
}

type synced struct{ cache.SharedIndexInformer }

func (synced) HasSynced() bool { return true }

// after lets something happen soon, after everything else of the same source.
func (s *simulation) after(source string, do func()) {
	at := s.clock.Now().Add(time.Duration(s.rng.Int64N(int64(maxLag))))
	if queue := s.later[source]; len(queue) > 0 && queue[len(queue)-1].at.After(at) {
		at = queue[len(queue)-1].at
	}
	s.later[source] = append(s.later[source], event{at, do})
}

func (s *simulation) happen() {
	for _, source := range []string{"store", "quotas", "pods"} {
		for queue := s.later[source]; len(queue) > 0 && !queue[0].at.After(s.clock.Now()); queue = s.later[source] {
			s.later[source] = queue[1:]
			queue[0].do()
		}
	}
}

func (s *simulation) client() *fake.Clientset {
	c := fake.NewClientset()
	c.PrependReactor("update", "resourcequotas", func(a clienttesting.Action) (bool, runtime.Object, error) {
		changed := a.(clienttesting.UpdateAction).GetObject().(*corev1.ResourceQuota)
		if s.rng.Float64() < s.failing {
			return true, nil, apierrors.NewInternalError(errors.New("injected"))
		}
		if changed.ResourceVersion != s.quota.ResourceVersion {
			return true, nil, apierrors.NewConflict(schema.GroupResource{Resource: "resourcequotas"}, "q", errors.New("modified"))
		}
		updated := s.quota.DeepCopy()
		updated.Status = changed.Status
		s.storeQuota(updated)
		return true, updated, nil
	})
	return c
}

func (s *simulation) storeQuota(q *corev1.ResourceQuota) {
	s.version++
	q.ResourceVersion = fmt.Sprint(s.version)
	s.quota = q
	s.after("quotas", func() {
		var old *corev1.ResourceQuota
		if o, exists, _ := s.quotas.Get(q); exists {
			old = o.(*corev1.ResourceQuota)
		}
		require.NoError(s.t, s.quotas.Add(q))
		s.c.quotaChanged(old, q)
	})
}

// create charges a pod and stores it a little later, unless that fails.
func (s *simulation) create() {
	used, known := s.quota.Status.Used[corev1.ResourcePods]
	hard := s.quota.Status.Hard[corev1.ResourcePods]
	if !known || used.Cmp(hard) >= 0 {
		return
	}
	charged := s.quota.DeepCopy()
	used.Add(resource.MustParse("1"))
	charged.Status.Used[corev1.ResourcePods] = used
	s.storeQuota(charged)
	if s.rng.IntN(10) == 0 {
		return // refused after all
	}
	s.nextName++
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: fmt.Sprintf("p%d", s.nextName), UID: types.UID(fmt.Sprint(s.nextName))}}
	s.after("store", func() {
		s.pods[pod.Name] = pod
		s.after("pods", func() {
			require.NoError(s.t, s.cached.Add(pod))
			s.c.objectChanged(&s.kind, nil, pod)
		})
	})
}

func (s *simulation) some() *corev1.Pod {
	names := slices.Sorted(maps.Keys(s.pods))
	if len(names) == 0 {
		return nil
	}
	return s.pods[names[s.rng.IntN(len(names))]]
}

func (s *simulation) deletePod() {
	if p := s.some(); p != nil {
		delete(s.pods, p.Name)
		s.after("pods", func() {
			require.NoError(s.t, s.cached.Delete(p))
			s.c.objectChanged(&s.kind, p, nil)
		})
	}
}

func (s *simulation) endPod() {
	p := s.some()
	if p == nil || p.Status.Phase == corev1.PodSucceeded {
		return
	}
	ended := p.DeepCopy()
	ended.Status.Phase = corev1.PodSucceeded
	s.pods[p.Name] = ended
	s.after("pods", func() {
		require.NoError(s.t, s.cached.Update(ended))
		s.c.objectChanged(&s.kind, p, ended)
	})
}

func (s *simulation) alive() int64 {
	n := int64(0)
	for _, p := range s.pods {
		if p.Status.Phase != corev1.PodSucceeded {
			n++
		}
	}
	return n
}

func (s *simulation) step() {
	s.clock.Step(time.Duration(s.rng.IntN(30)) * time.Millisecond)
	s.happen()
	for worked := true; worked; {
		_, worked = s.c.loop.Step(s.t.Context(), s.rng.IntN)
	}
	require.LessOrEqual(s.t, s.alive(), int64(5), "seed %d: more pods than allowed", s.seed)
}

func (s *simulation) act() {
	switch s.rng.IntN(6) {
	case 0, 1, 2:
		s.create()
	case 3:
		s.deletePod()
	case 4:
		s.endPod()
	}
	s.step()
}

func TestRandomPods(t *testing.T) {
	const runs = 1000
	t.Attr("runs", fmt.Sprint(runs))
	for seed := range uint64(runs) {
		s := newSimulation(t, seed)
		s.failing = []float64{0, 0.3}[seed%2]
		for range 250 { // 4 s, so that nothing is postponed for too long
			s.act()
		}
		s.failing = 0
		for range 300 {
			s.step()
		}
		used := s.quota.Status.Used[corev1.ResourcePods]
		require.Equal(t, s.alive(), used.Value(), "seed %d", seed)
	}
}
