package daemonset

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lubberline/lubberline/orchestrator/controller/simtest"
)

// TestSimulation drives a daemon set through random orders of events, old caches,
// failures, changes of nodes and of templates. Half of the runs are calm: no pod
// dies and nodes stay. It checks:
//   - OnePerNode: no pod is made for a node that has a living one, or two with a
//     surge;
//   - NeverTooManyDown: in a calm run without surge, once all were known to be
//     available, a deletion never leaves more nodes without an available pod than
//     maxUnavailable;
//   - NoNeedlessRestart: in a calm run no pod of the present template is deleted,
//     once the controller has seen that template;
//   - OnlyOwn: no pod of another owner is touched;
//   - Converged: in the end every node that should have a pod has exactly one, of
//     the present template unless updates are on delete, no other node has one,
//     and the status says so.
func TestSimulation(t *testing.T) {
	const runs = 500
	t.Attr("runs", fmt.Sprint(runs))
	for seed := range uint64(runs) {
		newSimulation(t, seed).run()
	}
}

type simulation struct {
	*simtest.World
	t           *testing.T
	seed        uint64
	calm        bool
	template    int
	established bool
	stranger    *corev1.Pod
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	s := &simulation{World: simtest.New(seed), t: t, seed: seed}
	s.calm = s.Chance(.5)
	if s.Chance(.7) {
		s.Faults = simtest.Faults{Refused: .1 * s.Rand.Float64(), Lost: .1 * s.Rand.Float64(), Conflict: .2 * s.Rand.Float64()}
	}
	s.API.OnWrite = s.check
	c, err := New(Options{Client: s.Client(), Informers: s.Informers(), Events: s.Events(), Clock: s.Clock, Parallel: 1})
	require.NoError(t, err)
	s.Loops = c.Loops()
	return s
}

func (s *simulation) run() {
	for i := range 1 + s.Rand.IntN(4) {
		s.addNode(fmt.Sprint("node-", i))
	}
	s.create()
	for range 100 + s.Rand.IntN(500) {
		if s.Chance(.05) {
			s.disturb()
		}
		if s.Chance(.3) {
			s.StepPods(s.schedule)
		}
		s.Step(s.t.Context())
		st := s.set().Status
		if !s.established && st.NumberAvailable > 0 && st.NumberUnavailable == 0 {
			truth := s.truth()
			s.established = int(st.NumberAvailable) == truth.wanted() && truth.down() == 0
		}
	}
	settled := s.Settle(s.t.Context(), time.Hour, func() bool { return s.StepPods(s.schedule) })
	s.require(settled, "Converged: still busy")
	s.checkConverged()
}

func (s *simulation) require(ok bool, format string, args ...any) {
	s.t.Helper()
	require.True(s.t, ok, "seed %d: %s", s.seed, fmt.Sprintf(format, args...))
}

func (s *simulation) schedule(pod *corev1.Pod) string {
	if node := simtest.Get[*corev1.Node](s.API, "", target(pod)); node != nil {
		return node.Name
	}
	return ""
}

func (s *simulation) addNode(name string) {
	labels := map[string]string{"role": []string{"worker", "other"}[s.Rand.IntN(4)/3]}
	_, _ = s.API.Create(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}})
}

func (s *simulation) create() {
	set, history := map[string]string{"app": "a"}, int32(s.Rand.IntN(3))
	unavailable, surge := intstr.FromInt32(int32(s.Rand.IntN(3))), intstr.FromInt32(0)
	if s.Chance(.3) {
		surge = intstr.FromString("50%")
	}
	ds := &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "d", Labels: set},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: set}, RevisionHistoryLimit: &history, MinReadySeconds: int32(s.Rand.IntN(2) * 3),
			Template:       corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: set}, Spec: podSpec(0)},
			UpdateStrategy: appsv1.DaemonSetUpdateStrategy{Type: appsv1.RollingUpdateDaemonSetStrategyType, RollingUpdate: &appsv1.RollingUpdateDaemonSet{MaxUnavailable: &unavailable, MaxSurge: &surge}},
		},
	}
	if s.Chance(.2) {
		ds.Spec.UpdateStrategy = appsv1.DaemonSetUpdateStrategy{Type: appsv1.OnDeleteDaemonSetStrategyType}
	}
	_, err := s.API.Create(ds)
	require.NoError(s.t, err)
	stranger, err := s.API.Create(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "stranger", Labels: set,
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(&metav1.ObjectMeta{Name: "d", UID: "gone"}, kind)}}, Spec: corev1.PodSpec{NodeName: "node-0"}})
	require.NoError(s.t, err)
	s.stranger = stranger.(*corev1.Pod)
}

func podSpec(template int) corev1.PodSpec {
	return corev1.PodSpec{NodeSelector: map[string]string{"role": "worker"}, Containers: []corev1.Container{{Name: "c", Image: fmt.Sprint("image:", template)}}}
}

func (s *simulation) set() *appsv1.DaemonSet { return simtest.Get[*appsv1.DaemonSet](s.API, "ns", "d") }

func (s *simulation) disturb() {
	kinds := 3
	if !s.calm {
		kinds = 9
	}
	switch name := fmt.Sprint("node-", s.Rand.IntN(5)); s.Rand.IntN(kinds) {
	case 0, 1, 2:
		if s.Chance(.6) {
			s.template++
		}
		template := s.template - s.Rand.IntN(min(s.template, 3)+1)
		simtest.Change(s.API, "ns", "d", func(ds *appsv1.DaemonSet) { ds.Spec.Template.Spec = podSpec(template) })
	case 3:
		s.addNode(name)
	case 4:
		s.removeNode(name)
	case 5:
		simtest.Change(s.API, "", name, func(n *corev1.Node) {
			n.Labels = map[string]string{"role": []string{"worker", "other"}[s.Rand.IntN(2)]}
		})
	case 6:
		effect := []corev1.TaintEffect{corev1.TaintEffectNoExecute, corev1.TaintEffectNoSchedule}[s.Rand.IntN(2)]
		simtest.Change(s.API, "", name, func(n *corev1.Node) {
			n.Spec.Taints = []corev1.Taint{{Key: "x", Effect: effect}}[:s.Rand.IntN(2)]
		})
	default:
		if pods := s.living(); len(pods) > 0 {
			s.breakPod(pods[s.Rand.IntN(len(pods))])
		}
	}
}

// removeNode takes its pods with it, as the garbage collector does.
func (s *simulation) removeNode(name string) {
	if node := simtest.Get[*corev1.Node](s.API, "", name); node != nil {
		s.API.End(node)
	}
	for _, pod := range s.Pods() {
		if pod.Spec.NodeName == name && pod.Name != "stranger" {
			s.API.End(pod)
		}
	}
}

func (s *simulation) breakPod(pod *corev1.Pod) {
	switch s.Rand.IntN(3) {
	case 0:
		s.Fail(pod)
	case 1:
		_ = s.API.Delete(pod, nil)
	case 2:
		if pod.Status.Phase == corev1.PodRunning {
			s.SetReady(pod, false)
		}
	}
}

// living are the daemon set's own pods.
func (s *simulation) living() []*corev1.Pod {
	return slices.DeleteFunc(simtest.Living(s.Pods()), func(p *corev1.Pod) bool { return p.Name == "stranger" })
}

// truth is the state as the API has it now.
func (s *simulation) truth() *state {
	var current history
	for _, r := range simtest.List[*appsv1.ControllerRevision](s.API) {
		if data, err := snapshot(s.set()); err == nil && equalData(data, r.Data.Raw) {
			current.hash = r.Labels[hashLabel]
		}
	}
	return newState(s.set(), simtest.List[*corev1.Node](s.API), s.living(), current, s.Clock.Now())
}

func (s *simulation) check(w simtest.Write) {
	pod, isPod := w.Current.(*corev1.Pod)
	old, isOld := w.Old.(*corev1.Pod)
	if !isPod && !isOld || !w.ByController {
		return
	}
	deleted := isOld && old.DeletionTimestamp == nil && (!isPod || pod.DeletionTimestamp != nil)
	s.require(!isOld || old.UID != s.stranger.UID, "OnlyOwn: a stranger is touched")
	truth := s.truth()
	switch {
	case isPod && !isOld:
		most := 1
		if truth.surges() {
			most = 2
		}
		n := len(truth.pods[target(pod)])
		s.require(n <= most, "OnePerNode: %d pods on %s", n, target(pod))
	case deleted && s.calm:
		seen := truth.ds.Status.ObservedGeneration == truth.ds.Generation
		s.require(!seen || !truth.isUpdated(old), "NoNeedlessRestart: %s", old.Name)
		s.checkDown(truth)
	}
}

func (s *simulation) checkDown(truth *state) {
	surge, unavailable := truth.bounds(truth.wanted())
	if surge > 0 || !s.established {
		return
	}
	s.require(truth.down() <= unavailable, "NeverTooManyDown: %d nodes", truth.down())
}

// down is how many nodes should have an available pod and have none.
func (s *state) down() (n int) {
	for node, runs := range s.runs {
		if runs && !slices.ContainsFunc(s.pods[node], s.isAvailable) {
			n++
		}
	}
	return n
}

func (s *simulation) checkConverged() {
	truth := s.truth()
	var wanted int32
	for _, node := range truth.nodes {
		pods := truth.pods[node.Name]
		if !truth.runs[node.Name] {
			// A pod may stay where none would be placed.
			s.require(len(pods) == 0 || truth.stays[node.Name], "Converged: %d pods on %s", len(pods), node.Name)
			continue
		}
		wanted++
		s.require(len(pods) == 1, "Converged: %d pods on %s", len(pods), node.Name)
		onDelete := s.set().Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType
		s.require(onDelete || truth.isUpdated(pods[0]), "Converged: %s is of an old template", pods[0].Name)
	}
	st := s.set().Status
	got := []int32{st.DesiredNumberScheduled, st.CurrentNumberScheduled, st.NumberReady, st.NumberAvailable, st.NumberUnavailable}
	s.require(slices.Equal(got, []int32{wanted, wanted, wanted, wanted, 0}), "Converged: status %v, wanted %d", got, wanted)
	s.require(st.ObservedGeneration == s.set().Generation, "Converged: observed generation")
}
