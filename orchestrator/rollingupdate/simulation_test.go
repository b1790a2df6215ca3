package rollingupdate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/lubberline/lubberline/orchestrator/controller/replication"
	"github.com/lubberline/lubberline/orchestrator/controller/simtest"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// TestKilledAtEveryStep kills the client before and after each of its writes, in
// every kind of update, and runs the same command again.
func TestKilledAtEveryStep(t *testing.T) {
	for _, kind := range kindsOfUpdate() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			if !kind.turn {
				require.Greater(t, killAtEach(t, kind, 0), 5)
				return
			}
			for _, turnAt := range []int{1, 4, 7, 10} {
				require.Greater(t, killAtEach(t, kind, turnAt), 1)
			}
		})
	}
}

// killAtEach returns how many writes there were.
func killAtEach(t *testing.T, kind updateKind, turnAt int) int {
	for write := 1; ; write++ {
		killed := false
		for _, when := range []moment{before, after} {
			s := newSimulation(t, kind, uint64(write))
			s.kill, s.turnAt = map[int]moment{write: when}, turnAt
			s.run(0)
			killed = killed || s.killed > 0
		}
		if !killed {
			return write - 1
		}
	}
}

// TestSimulation runs updates through random orders of events, with old caches,
// failed requests, deaths of pods and of the client, and checks:
//   - NeverTooFew: never fewer pods are ready than are wanted; one fewer while
//     a pod that has died is replaced;
//   - NeverTooMany: the two controllers together are never asked for more than
//     one above what is wanted;
//   - Converged: in the end there is one controller, of the right name, with the
//     right image and as many ready pods as wanted, and no annotation.
func TestSimulation(t *testing.T) {
	const runs = 60
	t.Attr("runs", fmt.Sprint(runs*len(kindsOfUpdate())))
	for _, kind := range kindsOfUpdate() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(runs) {
				s := newSimulation(t, kind, seed)
				s.deaths, s.turnAt = s.Chance(.3), 1+s.Rand.IntN(12)
				s.Faults = simtest.Faults{Refused: .1 * s.Rand.Float64(), Lost: .1 * s.Rand.Float64(), Conflict: .2 * s.Rand.Float64()}
				s.run(.05 * s.Rand.Float64())
			}
		})
	}
}

// updateKind is what is asked for, and what must come of it.
type updateKind struct {
	name        string
	request     Request
	turn        bool   // it is rolled back on the way, if it is not too late by then
	final       string // of an update that is not rolled back
	image       string
	old, wanted int
}

func kindsOfUpdate() []updateKind {
	image := Request{Namespace: "ns", Old: "web", Key: DefaultKey, Image: "web:2"}
	other, file := image, Request{Namespace: "ns", Old: "web", Key: DefaultKey}
	other.New = "web-2"
	four := int32(4)
	file.Manifest = controller("file", "web:2", map[string]string{"app": "web", "version": "2"}, &four)
	return []updateKind{
		{name: "image", request: image, final: "web", image: "web:2", old: 3, wanted: 3},
		{name: "one replica", request: image, final: "web", image: "web:2", old: 1, wanted: 1},
		{name: "other name", request: other, final: "web-2", image: "web:2", old: 3, wanted: 3},
		{name: "manifest", request: file, final: "file", image: "web:2", old: 2, wanted: 4},
		{name: "rollback", request: image, turn: true, final: "web", image: "web:2", old: 3, wanted: 3},
		{name: "rollback of a manifest", request: file, turn: true, final: "file", image: "web:2", old: 2, wanted: 4},
	}
}

func controller(name, image string, labels map[string]string, n *int32) *corev1.ReplicationController {
	return &corev1.ReplicationController{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name},
		Spec: corev1.ReplicationControllerSpec{Replicas: n, Selector: labels, Template: &corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: image}}},
		}},
	}
}

// moment is when the client dies.
type moment int

const (
	before moment = iota + 1
	after
)

var errKilled = errors.New("killed")

type simulation struct {
	*simtest.World
	t            *testing.T
	seed         uint64
	kind         updateKind
	client       *fake.Clientset // the update's, which may die
	writes       int
	kill         map[int]moment
	killed       int
	deaths       bool
	dead         bool // a pod has died and is not replaced yet
	fewest, most int
	back         bool
	turnAt       int // the write after which it is rolled back
}

func newSimulation(t *testing.T, kind updateKind, seed uint64) *simulation {
	s := &simulation{World: simtest.New(seed), t: t, seed: seed, kind: kind, client: &fake.Clientset{}}
	c, err := replication.NewReplicationControllers(replication.Options{Client: s.Client(), Informers: s.Informers(), Events: s.Events(), Clock: s.Clock, Parallel: 1})
	require.NoError(t, err)
	s.Loops = c.Loops()
	s.client.AddReactor("*", "*", s.react)
	n, labels := int32(kind.old), map[string]string{"app": "web", "version": "1"}
	_, err = s.API.Create(controller("web", "web:1", labels, &n))
	require.NoError(t, err)
	s.settle()
	require.Equal(t, kind.old, s.ready())
	s.fewest, s.most = min(kind.old, kind.wanted), max(kind.old, kind.wanted)
	if kind.request.Manifest != nil {
		s.most = max(s.most, replicas(kind.request.Manifest))
	}
	s.API.OnWrite = s.check
	return s
}

// react carries out a request of the update's client, unless that dies.
func (s *simulation) react(action clienttesting.Action) (bool, runtime.Object, error) {
	reads := action.GetVerb() == "get" || action.GetVerb() == "list"
	when := moment(0)
	if !reads {
		s.writes++
		when = s.kill[s.writes]
	}
	if when == before {
		return true, nil, errKilled
	}
	if d, ok := action.(clienttesting.DeleteActionImpl); ok {
		s.finalize(d)
	}
	object, err := s.Client().(*fake.Clientset).Invokes(action, nil)
	if when == after {
		return true, nil, errKilled
	}
	return true, object, err
}

// finalize lets a deletion that leaves the pods wait for the garbage collector.
func (s *simulation) finalize(d clienttesting.DeleteActionImpl) {
	if policy := d.DeleteOptions.PropagationPolicy; policy != nil && *policy == metav1.DeletePropagationOrphan {
		simtest.Change(s.API, d.Namespace, d.Name, func(rc *corev1.ReplicationController) { rc.Finalizers = []string{metav1.FinalizerOrphanDependents} })
	}
}

// collect is one step of the garbage collector; false when it has nothing to do.
func (s *simulation) collect() bool {
	alive := map[string]bool{}
	for _, rc := range simtest.List[*corev1.ReplicationController](s.API) {
		alive[string(rc.UID)] = true
		if rc.DeletionTimestamp == nil {
			continue
		}
		for _, pod := range s.Pods() {
			if metav1.IsControlledBy(pod, rc) {
				simtest.Change(s.API, pod.Namespace, pod.Name, func(p *corev1.Pod) { p.OwnerReferences = nil })
				return true
			}
		}
		s.API.End(rc)
		return true
	}
	for _, pod := range s.Pods() {
		owner := metav1.GetControllerOf(pod)
		if owner != nil && !alive[string(owner.UID)] && pod.DeletionTimestamp == nil {
			require.NoError(s.t, s.API.Delete(pod, nil))
			return true
		}
	}
	return false
}

func (s *simulation) settle() {
	faults := s.Faults
	defer func() { s.Faults = faults }()
	for range 1000 {
		s.require(s.Settle(s.t.Context(), time.Second, s.nodes), "still busy")
		if !s.collect() {
			return
		}
	}
	s.require(false, "the garbage collector does not end")
}

func (s *simulation) nodes() bool { return s.StepPods(func(*corev1.Pod) string { return "node" }) }

func (s *simulation) ready() int {
	n := 0
	for _, pod := range s.Pods() {
		if podutil.IsActive(pod) && podutil.IsReady(pod) {
			n++
		}
	}
	return n
}

func (s *simulation) require(ok bool, format string, args ...any) {
	s.t.Helper()
	require.True(s.t, ok, "seed %d, kill %v, deaths %v, turn at %d: %s", s.seed, s.kill, s.deaths, s.turnAt, fmt.Sprintf(format, args...))
}

// check is told of every write.
func (s *simulation) check(simtest.Write) {
	fewest := s.fewest
	if s.dead {
		fewest--
	}
	s.require(s.ready() >= fewest, "NeverTooFew: %d of %d ready", s.ready(), s.fewest)
	s.require(s.asked() <= s.most+surge, "NeverTooMany: %d asked for", s.asked())
}

// asked is how many pods the controllers are asked for together.
func (s *simulation) asked() int {
	sum := 0
	for _, rc := range simtest.List[*corev1.ReplicationController](s.API) {
		sum += replicas(rc)
	}
	return sum
}

// run carries the update out, with a client that dies with that probability at
// each step.
func (s *simulation) run(mortality float64) {
	u := s.updater()
	for i := 0; u != nil; i++ {
		s.require(i < 100_000, "Converged: the update does not end")
		s.disturb()
		if s.kind.turn && !s.back && s.writes >= s.turnAt && s.canTurn() {
			s.turnBack()
			u = s.updater()
		}
		if !s.Chance(.3) || u == nil {
			continue
		}
		_, done, err := u.step(s.t.Context())
		switch {
		case done:
			u = nil
		case errors.Is(err, errKilled):
			s.killed++
			u = s.updater()
		case err != nil:
			s.require(false, "the update fails: %v", err)
		case s.Chance(mortality):
			u = s.updater()
		}
	}
	s.settle()
	s.converged()
}

// canTurn tells whether the old controller is still there.
func (s *simulation) canTurn() bool {
	old := simtest.Get[*corev1.ReplicationController](s.API, "ns", "web")
	return old != nil && !isRenamed(old) && old.Spec.Template.Spec.Containers[0].Image == "web:1"
}

func (s *simulation) turnBack() {
	s.back = true
	s.kind.final, s.kind.image, s.kind.wanted = "web", "web:1", s.kind.old
}

// disturb does what the world does meanwhile.
func (s *simulation) disturb() {
	switch n := s.Rand.IntN(10); {
	case n < 2:
		s.nodes()
	case n < 3:
		s.collect()
	case n < 4 && s.deaths && !s.dead && s.ready() > s.fewest-1:
		s.die()
	default:
		s.Step(s.t.Context())
	}
	if s.dead && s.ready() >= max(s.asked(), s.fewest) {
		s.tell()
		s.dead = false
	}
}

func (s *simulation) die() {
	pods := slices.DeleteFunc(simtest.Living(s.Pods()), func(p *corev1.Pod) bool { return !podutil.IsReady(p) })
	if len(pods) > 0 && s.Chance(.2) {
		s.dead = true
		s.Fail(pods[s.Rand.IntN(len(pods))])
		s.tell()
	}
}

// tell shows the controllers everything: what they do by old caches to pods that
// have died is not the update's doing.
func (s *simulation) tell() {
	faults := s.Faults
	s.require(s.Settle(s.t.Context(), 0, nil), "still busy")
	s.Faults = faults
}

// updater is the command, run again; nil when it says that all is done already.
func (s *simulation) updater() *Updater {
	request := s.kind.request
	if s.back {
		request = Request{Namespace: request.Namespace, Old: request.Old, Key: request.Key, Rollback: true}
	}
	s.require(request.Validate() == nil, "%v", request.Validate())
	var plan *Plan
	var err error
	for range 50 {
		plan, err = Resolve(context.Background(), s.client, request)
		if !apierrors.IsTooManyRequests(err) {
			break
		}
	}
	if err != nil {
		s.require(s.isFinal(), "the command is refused: %v", err)
		return nil
	}
	return New(Options{Client: s.client, Namespace: "ns", Plan: plan, Out: io.Discard, Interval: time.Second, Timeout: time.Hour, Clock: s.Clock})
}

// isFinal tells whether there is what there must be in the end, which a client
// that is killed after its last write does not know.
func (s *simulation) isFinal() bool {
	all := simtest.List[*corev1.ReplicationController](s.API)
	return len(all) == 1 && all[0].Name == s.kind.final && !isAnnotated(all[0]) && all[0].Spec.Template.Spec.Containers[0].Image == s.kind.image
}

func (s *simulation) converged() {
	s.require(s.isFinal(), "Converged: %v", simtest.List[*corev1.ReplicationController](s.API))
	rc := simtest.Get[*corev1.ReplicationController](s.API, "ns", s.kind.final)
	s.require(replicas(rc) == s.kind.wanted, "Converged: %d replicas", replicas(rc))
	living := simtest.Living(s.Pods())
	s.require(len(living) == s.kind.wanted && s.ready() == s.kind.wanted, "Converged: %d pods", len(living))
	for _, pod := range living {
		s.require(pod.Spec.Containers[0].Image == s.kind.image && metav1.IsControlledBy(pod, rc), "Converged: %s has %s", pod.Name, pod.Spec.Containers[0].Image)
	}
}
