// Package simtest is a small world in which controllers are driven through
// random orders of events, in one goroutine and repeatable from a seed: an API
// with resource versions and conflicts, caches that lag behind it, failures, and
// nodes that start and end pods. It is for tests only.
package simtest

import (
	"context"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/record"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
)

// World is one simulated cluster. It is for one goroutine.
type World struct {
	Rand   *rand.Rand
	Clock  *clocktesting.FakeClock
	API    *API
	Faults Faults
	// Loops are the controllers that Step drives.
	Loops []*reconcile.Loop

	client  *fake.Clientset
	factory informers.SharedInformerFactory
	caches  []*cached
}

// New makes an empty world; everything random in it follows from the seed.
func New(seed uint64) *World {
	w := &World{
		Rand:  rand.New(rand.NewPCG(seed, 0)),
		Clock: clocktesting.NewFakeClock(time.Unix(1_700_000_000, 0)),
	}
	w.API = newAPI(w.Rand, w.Clock)
	w.client = &fake.Clientset{}
	w.client.AddReactor("*", "*", w.react)
	w.factory = informers.NewSharedInformerFactory(w.client, 0)
	for i := range kinds {
		w.addCache(&kinds[i])
	}
	return w
}

// Client is the API as controllers use it, with its faults.
func (w *World) Client() kubernetes.Interface { return w.client }

// Informers are the lagging caches.
func (w *World) Informers() informers.SharedInformerFactory { return w.factory }

// Events takes the controllers' events.
func (w *World) Events() record.EventRecorder { return &record.FakeRecorder{} }

// Chance is true with probability p.
func (w *World) Chance(p float64) bool { return w.Rand.Float64() < p }

// Step does one random thing that needs no cause: it shows a cache one event, or
// lets it lose some, or a controller reconciles one key, or time passes.
func (w *World) Step(ctx context.Context) {
	switch n := w.Rand.IntN(100); {
	case n < 50:
		w.deliverOne()
	case n < 52:
		w.caches[w.Rand.IntN(len(w.caches))].relist(w)
	case n < 95:
		w.reconcileOne(ctx)
	default:
		w.Clock.Step(time.Duration(w.Rand.Int64N(int64(2 * time.Second))))
	}
}

func (w *World) deliverOne() bool {
	first := w.Rand.IntN(len(w.caches))
	for i := range w.caches {
		if w.caches[(first+i)%len(w.caches)].deliver(w) {
			return true
		}
	}
	return false
}

func (w *World) reconcileOne(ctx context.Context) bool {
	first := w.Rand.IntN(max(len(w.Loops), 1))
	for i := range w.Loops {
		if _, worked := w.Loops[(first+i)%len(w.Loops)].Step(ctx, w.Rand.IntN); worked {
			return true
		}
	}
	return false
}

// Settle ends all faults and lets caches, controllers and nodes do their work
// until nothing is left to do within the horizon. False when that does not
// happen in a great many steps.
func (w *World) Settle(ctx context.Context, horizon time.Duration, nodes func() bool) bool {
	w.Faults = Faults{}
	end := w.Clock.Now().Add(horizon)
	for range 200_000 {
		if w.deliverOne() || w.reconcileOne(ctx) || nodes != nil && nodes() {
			continue
		}
		due, any := w.nextDue()
		if !any || due.After(end) {
			return true
		}
		w.Clock.SetTime(due)
	}
	return false
}

func (w *World) nextDue() (next time.Time, any bool) {
	for _, l := range w.Loops {
		if due, ok := l.NextDue(); ok && (!any || due.Before(next)) {
			next, any = due, true
		}
	}
	return next, any
}

// Pods are those that exist, in the order of their names.
func (w *World) Pods() []*corev1.Pod { return List[*corev1.Pod](w.API) }
