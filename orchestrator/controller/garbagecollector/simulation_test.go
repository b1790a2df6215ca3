package garbagecollector

import (
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
)

// simulation is one random run. Its invariants:
//   - what the collector deletes has owners, and none of them stays;
//   - an owner that waits for its dependents outlives those that block it;
//   - what was let go by its owner is not deleted for that;
//   - in the end no deletion waits for the collector, no reference leads
//     nowhere, and nothing that had owners has survived the last of them.
type simulation struct {
	t     *testing.T
	seed  uint64
	rng   *rand.Rand
	w     *world
	c     *Controller
	clock *clocktesting.FakeClock
	names int
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	rng := rand.New(rand.NewPCG(seed, 1))
	s := &simulation{t: t, seed: seed, rng: rng, w: newWorld(rng), clock: clocktesting.NewFakeClock(time.Unix(0, 0))}
	var err error
	s.c, err = newController(Options{Metadata: s.w, Logger: slog.New(slog.DiscardHandler), Clock: s.clock}, s.w, nil)
	require.NoError(t, err)
	s.c.parallel = 1
	s.w.observe, s.w.onDelete, s.w.onRelease = s.c.observe, s.checkDeletion, s.checkRelease
	return s
}

func (s *simulation) checkDeletion(o *metav1.PartialObjectMetadata) {
	require.NotEmpty(s.t, o.OwnerReferences, "seed %d: %s has no owner", s.seed, o.Name)
	for _, ref := range o.OwnerReferences {
		require.NotEqual(s.t, solid, s.w.truth(o.Namespace, ref), "seed %d: %s has the owner %s", s.seed, o.Name, ref.Name)
	}
}

// checkRelease: the collector may let go only of owners all of whose
// dependents, as far as it has been told of them, are gone or let go.
func (s *simulation) checkRelease(o *metav1.PartialObjectMetadata, finalizer string) {
	for _, d := range s.w.objects {
		n := s.c.graph.get(d.UID)
		if n == nil {
			continue
		}
		_, told := n.refTo(o.UID)
		held := finalizer == metav1.FinalizerOrphanDependents && told && s.refersTo(d, o.UID, false) ||
			finalizer == metav1.FinalizerDeleteDependents && n.blocks(o.UID) && s.refersTo(d, o.UID, true)
		require.False(s.t, held, "seed %d: %s is let go (%s) before %s", s.seed, o.Name, finalizer, d.Name)
	}
}

func (s *simulation) refersTo(d *metav1.PartialObjectMetadata, owner types.UID, blocking bool) bool {
	return slices.ContainsFunc(d.OwnerReferences, func(r metav1.OwnerReference) bool {
		return r.UID == owner && (!blocking || isBlocking(r))
	})
}

func (s *simulation) keys() []objectKey {
	return slices.SortedFunc(maps.Keys(s.w.objects), func(a, b objectKey) int {
		return slices.Compare([]string{a.kind, a.namespace, a.name}, []string{b.kind, b.namespace, b.name})
	})
}

func (s *simulation) any() (objectKey, bool) {
	keys := s.keys()
	if len(keys) == 0 {
		return objectKey{}, false
	}
	return keys[s.rng.IntN(len(keys))], true
}

func (s *simulation) create() {
	kind := []string{"Pod", "Pod", "ReplicationController", "Node"}[s.rng.IntN(4)]
	namespace := ""
	if kind != "Node" {
		namespace = []string{"a", "a", "a", "b"}[s.rng.IntN(4)]
	}
	s.names++
	var refs []metav1.OwnerReference
	for range s.rng.IntN(3) {
		if k, ok := s.any(); ok {
			refs = s.addRef(refs, kind, k)
		}
	}
	s.w.create(kind, namespace, fmt.Sprintf("o%d", s.names%12), refs...)
}

// addRef refers to an object rightly, and now and then wrongly.
func (s *simulation) addRef(refs []metav1.OwnerReference, kind string, k objectKey) []metav1.OwnerReference {
	owner := s.w.objects[k]
	ref := s.w.ref(k.kind, owner, s.rng.IntN(2) == 0)
	switch s.rng.IntN(12) {
	case 0:
		ref.UID = types.UID(fmt.Sprintf("never-%d", s.rng.IntN(3)))
	case 1:
		ref.Name = "other"
	}
	if kind == "Node" && k.kind != "Node" ||
		slices.ContainsFunc(refs, func(r metav1.OwnerReference) bool { return r.UID == ref.UID }) {
		return refs
	}
	return append(refs, ref)
}

// circle makes the oldest object of a chain depend on the youngest.
func (s *simulation) circle() {
	var chain []objectKey
	for i := range 3 {
		s.names++
		var refs []metav1.OwnerReference
		if i > 0 {
			refs = append(refs, s.w.ref("Pod", s.w.objects[chain[i-1]], true))
		}
		name := fmt.Sprintf("c%d", s.names)
		s.w.create("Pod", "a", name, refs...)
		chain = append(chain, objectKey{"Pod", "a", name})
	}
	first := s.w.objects[chain[0]].DeepCopy()
	first.OwnerReferences = []metav1.OwnerReference{s.w.ref("Pod", s.w.objects[chain[2]], true)}
	s.w.store(chain[0], first)
}

func (s *simulation) userDeletes() {
	if k, ok := s.any(); ok {
		policies := []metav1.DeletionPropagation{
			metav1.DeletePropagationBackground, metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan,
		}
		s.w.delete(k, policies[s.rng.IntN(3)])
	}
}

func (s *simulation) agentStops() {
	for _, k := range s.keys() {
		if s.w.graceful[s.w.objects[k].UID] && s.rng.IntN(2) == 0 {
			s.w.stop(k)
			return
		}
	}
}

func (s *simulation) pick(n int) int { return s.rng.IntN(n) }

func (s *simulation) act() {
	switch s.rng.IntN(12) {
	case 0, 1, 2:
		s.create()
	case 3:
		s.userDeletes()
	case 4:
		s.agentStops()
	case 5:
		if s.rng.IntN(10) == 0 {
			s.circle()
		}
	case 6, 7, 8:
		if late := s.w.late(); len(late) > 0 {
			s.w.tellOne(late[s.rng.IntN(len(late))])
		}
	default:
		s.c.loop.Step(s.t.Context(), s.pick)
		s.clock.Step(time.Second)
	}
}

// finish lets everything that is under way come to its end.
func (s *simulation) finish() {
	s.w.failing = 0
	for range 10_000 {
		late := s.w.late()
		for _, kind := range late {
			s.w.tellOne(kind)
		}
		_, worked := s.c.loop.Step(s.t.Context(), s.pick)
		if worked || len(late) > 0 {
			continue
		}
		if len(s.w.graceful) > 0 {
			for _, k := range s.keys() {
				if s.w.graceful[s.w.objects[k].UID] {
					s.w.stop(k)
				}
			}
			continue
		}
		next, any := s.c.loop.NextDue()
		if !any {
			return
		}
		s.clock.SetTime(next)
	}
	require.Fail(s.t, "does not converge", "seed %d: %v", s.seed, s.keys())
}

func (s *simulation) checkEnd() {
	for k, o := range s.w.objects {
		require.Nil(s.t, o.DeletionTimestamp, "seed %d: the deletion of %v is not finished: %v", s.seed, k, o.Finalizers)
		for _, ref := range o.OwnerReferences {
			require.Equal(s.t, solid, s.w.truth(o.Namespace, ref), "seed %d: %v refers to %v", s.seed, k, ref)
		}
	}
	require.Len(s.t, s.c.graph.nodes, len(s.w.objects), "seed %d", s.seed)
	for owner, dependents := range s.c.graph.dependents {
		for d := range dependents {
			require.Contains(s.t, s.c.graph.nodes, d, "seed %d: a dependent of %s is unknown", s.seed, owner)
		}
	}
}

func TestRandomOwnersAndDeletions(t *testing.T) {
	const runs = 3000
	t.Attr("runs", fmt.Sprint(runs))
	for seed := range uint64(runs) {
		s := newSimulation(t, seed)
		s.w.failing = []float64{0, 0.05, 0.3}[seed%3]
		for range 150 {
			s.act()
		}
		s.finish()
		s.checkEnd()
		if t.Failed() {
			return
		}
	}
}
