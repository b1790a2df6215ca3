package namespace

import (
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	clocktesting "k8s.io/utils/clock/testing"
)

const held = "example.com/held"

// simulation is one random run. Its invariants:
//   - nothing is deleted in a namespace that is not being deleted;
//   - nothing but pods is deleted where there are pods;
//   - a namespace goes only when it is empty, and only when others let it;
//   - in the end every namespace that is to go has gone.
type simulation struct {
	t     *testing.T
	seed  uint64
	rng   *rand.Rand
	clock *clocktesting.FakeClock
	w     *world
	c     *Controller
	names int
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	rng := rand.New(rand.NewPCG(seed, 2))
	clock := clocktesting.NewFakeClock(time.Unix(1000, 0))
	s := &simulation{t: t, seed: seed, rng: rng, clock: clock, w: newWorld(rng, clock)}
	s.w.failing = []float64{0, 0.05, 0.2}[seed%3]
	var err error
	s.c, err = newController(Options{
		Client: s.w.client(), Metadata: s.w, Discovery: s.w, Logger: slog.New(slog.DiscardHandler), Clock: clock,
	}, s.w, nil)
	require.NoError(t, err)
	s.w.onDelete = s.checkDeletion
	s.w.podGone = func(namespace string) {
		s.c.podChanged(&corev1.Pod{ObjectMeta: metaIn(namespace)}, nil)
	}
	return s
}

func (s *simulation) checkDeletion(resource, namespace string) {
	ns := s.w.namespaces[namespace]
	require.True(s.t, ns != nil && ns.DeletionTimestamp != nil, "seed %d: %s of %s", s.seed, resource, namespace)
	require.True(s.t, resource == "pods" || len(s.w.in("pods", namespace)) == 0, "seed %d: %s of %s before its pods", s.seed, resource, namespace)
}

func (s *simulation) checkWorld() {
	for key, o := range s.w.objects {
		require.Contains(s.t, s.w.namespaces, o.Namespace, "seed %d: %s has outlived its namespace", s.seed, key)
	}
}

// tell brings the informer up to date about one namespace.
func (s *simulation) tell(name string) {
	ns := s.w.namespaces[name]
	if ns == nil {
		delete(s.w.told, name)
		return
	}
	if s.w.told[name] == ns {
		return
	}
	s.w.told[name] = ns
	s.c.namespaceChanged(nil, ns)
}

func (s *simulation) name() string { return fmt.Sprintf("n%d", s.rng.IntN(4)) }

func (s *simulation) act() {
	name := s.name()
	ns := s.w.namespaces[name]
	switch s.rng.IntN(8) {
	case 0:
		var others []corev1.FinalizerName
		if s.rng.IntN(4) == 0 {
			others = append(others, held)
		}
		s.w.createNamespace(name, others...)
	case 1, 2:
		if ns != nil && ns.DeletionTimestamp == nil { // as admission sees to
			s.names++
			resource := []string{"pods", "configmaps", "replicasets"}[s.rng.IntN(3)]
			var finalizers []string
			if s.rng.IntN(4) == 0 {
				finalizers = append(finalizers, held)
			}
			s.w.create(resource, name, fmt.Sprintf("o%d", s.names), finalizers...)
		}
	case 3:
		if s.rng.IntN(3) == 0 {
			s.w.deleteNamespace(name)
		}
	case 4:
		s.tell(name)
	case 5:
		s.clock.Step(time.Duration(s.rng.IntN(2000)) * time.Millisecond)
		s.stop()
	default:
		s.c.loop.Step(s.t.Context(), s.rng.IntN)
	}
	s.checkWorld()
}

// stop ends pods whose time is over.
func (s *simulation) stop() {
	for name := range s.w.namespaces {
		for _, key := range s.w.in("pods", name) {
			if o := s.w.objects[key]; o.DeletionTimestamp != nil && !o.DeletionTimestamp.After(s.clock.Now()) && len(o.Finalizers) == 0 {
				s.w.remove(key)
			}
		}
	}
}

// release lets go of what others hold.
func (s *simulation) release() {
	for _, key := range slices.Sorted(maps.Keys(s.w.objects)) {
		o := s.w.objects[key]
		o.Finalizers = nil
		if o.DeletionTimestamp != nil && !o.DeletionTimestamp.After(s.clock.Now()) {
			s.w.remove(key)
		}
	}
	for _, ns := range s.w.namespaces {
		if slices.Contains(ns.Spec.Finalizers, held) {
			ns = ns.DeepCopy()
			ns.Spec.Finalizers = slices.DeleteFunc(ns.Spec.Finalizers, func(f corev1.FinalizerName) bool { return f == held })
			s.w.put(ns)
		}
	}
}

func (s *simulation) finish() {
	s.w.failing = 0
	s.release()
	for range 5000 {
		for i := range 4 {
			s.tell(fmt.Sprintf("n%d", i))
		}
		if _, worked := s.c.loop.Step(s.t.Context(), s.rng.IntN); worked {
			s.checkWorld()
			continue
		}
		if len(s.deleted()) == 0 {
			return
		}
		s.clock.Step(time.Second)
		s.stop()
	}
	require.Fail(s.t, "does not converge", "seed %d: %v", s.seed, s.deleted())
}

func (s *simulation) deleted() []string {
	var all []string
	for name, ns := range s.w.namespaces {
		if ns.DeletionTimestamp != nil {
			all = append(all, name)
		}
	}
	return all
}

func TestRandomNamespaces(t *testing.T) {
	const runs = 600
	t.Attr("runs", fmt.Sprint(runs))
	for seed := range uint64(runs) {
		s := newSimulation(t, seed)
		for range 200 {
			s.act()
		}
		s.finish()
		if t.Failed() {
			return
		}
	}
}
