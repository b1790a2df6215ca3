package scheduler_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/scheduler"
	"github.com/lubberline/lubberline/orchestrator/scheduler/preempt"
	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

// simulation is an API server that is slow to tell, refuses bindings at
// random, and ends victims in its own time.
type simulation struct {
	t     *testing.T
	r     *rand.Rand
	seed  uint64
	now   time.Time
	core  *scheduler.Scheduler
	snap  *snapshot.Snapshot
	truth *world
	known *world // what the scheduler was told, and decided

	podNews, nodeNews []func() // in order; told later
	answers           []func() // to bindings; told in any order
	uid               int
	templates         []func() *v1.Pod
	messages          map[types.UID]string
	refuse            bool
	bound, preempted  int
}

func (m *simulation) Snapshot() *snapshot.Snapshot { return m.snap }
func (m *simulation) Budgets() []preempt.Budget    { return nil }

func (m *simulation) failf(format string, args ...any) {
	m.t.Helper()
	require.FailNow(m.t, fmt.Sprintf("seed %d: ", m.seed)+fmt.Sprintf(format, args...))
}

// Bind checks the invariants "never over-committed" and "no filter violated"
// against what the scheduler could know.
func (m *simulation) Bind(p *snapshot.Pod, node string) {
	pod := m.known.pods[p.Object.UID]
	n := m.known.nodes[node]
	if n == nil {
		m.failf("pod %s is bound to node %s, which has gone", pod.Name, node)
	}
	if reasons, _ := m.known.reasons(pod, n); len(reasons) > 0 {
		m.failf("pod %s is bound to %s in spite of: %v", pod.Name, node, reasons)
	}
	if at, placed := m.known.at[pod.UID]; placed {
		m.failf("pod %s is bound to %s, and is on %s", pod.Name, node, at)
	}
	m.known.at[pod.UID] = node
	delete(m.messages, pod.UID)
	m.bound++
	refused := m.refuse && m.r.IntN(10) == 0
	m.answers = append(m.answers, func() {
		actual := m.truth.pods[pod.UID]
		if refused || actual == nil || actual.DeletionTimestamp != nil {
			if m.known.pods[pod.UID] != nil {
				delete(m.known.at, pod.UID)
			}
			m.core.Failed(m.now, pod.UID)
			return
		}
		changed := actual.DeepCopy()
		changed.Spec.NodeName = node
		m.setTruth(changed)
		m.core.Bound(pod.UID)
	})
}

// Reject checks that the words are those of the brute-force checker.
func (m *simulation) Reject(r scheduler.Rejection) {
	pod := m.known.pods[r.Pod.Object.UID]
	m.messages[pod.UID] = r.Message
	for _, n := range m.snap.Slots() {
		if n != nil && slices.ContainsFunc(n.Nominated, func(p *snapshot.Pod) bool { return p != r.Pod }) {
			return // they count too, which the checker knows nothing of
		}
	}
	want := m.known.message(pod)
	if want == "" {
		m.failf("pod %s would fit, and is rejected: %s", pod.Name, r.Message)
	}
	if got, _, _ := strings.Cut(r.Message, " preemption:"); got != want {
		m.failf("pod %s: got %q, want %q", pod.Name, got, want)
	}
}

func (m *simulation) Preempt(p *snapshot.Pod, node string, victims []*snapshot.Pod) {
	preemptor := m.known.pods[p.Object.UID]
	gone := map[types.UID]bool{}
	for _, v := range victims {
		if *v.Object.Spec.Priority >= *preemptor.Spec.Priority || m.known.at[v.Object.UID] != node {
			m.failf("%s preempts %s", preemptor.Name, v.Object.Name)
		}
		gone[v.Object.UID] = true
	}
	rest := m.known.without(func(p *v1.Pod) bool { return gone[p.UID] })
	if reasons, _ := rest.reasons(preemptor, m.known.nodes[node]); len(reasons) > 0 {
		m.failf("%s preempts %d pods on %s and still does not fit: %v", preemptor.Name, len(victims), node, reasons)
	}
	m.preempted += len(victims)
	for uid := range gone {
		m.known.ends[uid] = true
		m.answers = append(m.answers, func() { m.terminate(uid) })
	}
}

// terminate is a deletion with a grace period.
func (m *simulation) terminate(uid types.UID) {
	pod := m.truth.pods[uid]
	if pod == nil || pod.DeletionTimestamp != nil {
		return
	}
	if pod.Spec.NodeName == "" {
		m.deleteTruth(pod)
		return
	}
	pod = pod.DeepCopy()
	pod.DeletionTimestamp = &metav1.Time{Time: m.now}
	m.setTruth(pod)
	m.answers = append(m.answers, func() {
		if pod := m.truth.pods[uid]; pod != nil {
			m.deleteTruth(pod)
		}
	})
}

func (m *simulation) setTruth(pod *v1.Pod) {
	m.truth.pods[pod.UID] = pod
	m.podNews = append(m.podNews, func() {
		m.known.pods[pod.UID] = pod
		if pod.Spec.NodeName != "" {
			m.known.at[pod.UID] = pod.Spec.NodeName
		}
		if pod.DeletionTimestamp != nil {
			m.known.ends[pod.UID] = true
		}
		m.core.SetPod(m.now, pod)
	})
}

func (m *simulation) deleteTruth(pod *v1.Pod) {
	delete(m.truth.pods, pod.UID)
	m.podNews = append(m.podNews, func() {
		delete(m.known.pods, pod.UID)
		delete(m.known.at, pod.UID)
		m.core.RemovePod(m.now, pod.UID)
	})
}

func (m *simulation) setNode(n *v1.Node) {
	m.truth.nodes[n.Name] = n
	m.nodeNews = append(m.nodeNews, func() {
		m.known.nodes[n.Name] = n
		m.core.SetNode(m.now, n)
	})
}

func (m *simulation) deleteNode(name string) {
	delete(m.truth.nodes, name)
	m.nodeNews = append(m.nodeNews, func() {
		delete(m.known.nodes, name)
		m.core.RemoveNode(m.now, name)
	})
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	m := &simulation{
		t: t, r: rand.New(rand.NewPCG(seed, 1)), seed: seed, now: time.Unix(1_000_000, 0), snap: snapshot.New(),
		truth: newWorld(), known: newWorld(), messages: map[types.UID]string{}, refuse: true,
	}
	m.core = scheduler.New(scheduler.Options{Seed: seed, State: m, Plan: m})
	for range 1 + m.r.IntN(5) {
		m.templates = append(m.templates, m.template())
	}
	for i := range 1 + m.r.IntN(6) {
		m.setNode(m.node(fmt.Sprintf("node-%d", i)))
	}
	return m
}

// disturb changes something at random.
func (m *simulation) disturb() {
	switch m.r.IntN(12) {
	case 0, 1, 2, 3, 4, 5:
		for range 1 + m.r.IntN(4) {
			m.setTruth(m.pod())
		}
	case 6, 7:
		if pod := m.anyPod(); pod != nil {
			m.terminate(pod.UID)
		}
	case 8:
		name := fmt.Sprintf("node-%d", m.r.IntN(8))
		m.setNode(m.node(name))
		if m.chance(30) { // it becomes ready a little later
			blank := m.node(name)
			blank.Status.Allocatable = nil
			m.setNode(blank)
			m.setNode(m.node(name))
		}
	case 9:
		if m.chance(30) {
			m.deleteNode(fmt.Sprintf("node-%d", m.r.IntN(8)))
		}
	case 10:
		if pod := m.anyPod(); pod != nil && len(pod.Spec.SchedulingGates) > 0 {
			pod = pod.DeepCopy()
			pod.Spec.SchedulingGates = nil
			m.setTruth(pod)
		}
	case 11:
		if pod := m.anyPod(); pod != nil {
			pod = pod.DeepCopy()
			pod.Labels = map[string]string{"app": m.app()}
			m.setTruth(pod)
		}
	}
}

func (m *simulation) anyPod() *v1.Pod {
	pods := sorted(m.truth)
	if len(pods) == 0 {
		return nil
	}
	return pods[m.r.IntN(len(pods))]
}

func sorted(w *world) []*v1.Pod {
	var pods []*v1.Pod
	for _, p := range w.pods {
		pods = append(pods, p)
	}
	slices.SortFunc(pods, func(a, b *v1.Pod) int { return strings.Compare(string(a.UID), string(b.UID)) })
	return pods
}

// tell lets the scheduler hear some of the news.
func (m *simulation) tell(all bool) {
	for _, news := range []*[]func(){&m.podNews, &m.nodeNews} {
		n := len(*news)
		if !all && n > 0 {
			n = m.r.IntN(n + 1)
		}
		now := (*news)[:n]
		*news = slices.Clone((*news)[n:])
		for _, happened := range now {
			happened()
		}
	}
	m.r.Shuffle(len(m.answers), func(i, j int) { m.answers[i], m.answers[j] = m.answers[j], m.answers[i] })
	n := len(m.answers)
	if !all && n > 0 {
		n = m.r.IntN(n + 1)
	}
	now := slices.Clone(m.answers[:n])
	m.answers = slices.Clone(m.answers[n:])
	for _, answer := range now {
		answer()
	}
}

func (m *simulation) run() {
	for range 40 + m.r.IntN(40) {
		m.disturb()
		m.tell(false)
		m.core.Step(m.now, m.r.IntN(6))
		m.now = m.now.Add(time.Duration(m.r.IntN(1500)) * time.Millisecond)
	}
	m.refuse = false
	for range 200 {
		m.tell(true)
		m.core.Step(m.now, 1000)
		m.now = m.now.Add(11 * time.Second)
		if d := m.core.Depths(); len(m.answers)+len(m.podNews)+len(m.nodeNews)+d.Active+d.Backoff+d.Binding == 0 {
			break
		}
	}
	m.settled()
}

// settled checks the invariants at the end: "converged", "no pod lost", and
// "higher priority not starved by lower".
func (m *simulation) settled() {
	if d := m.core.Depths(); d.Active+d.Backoff+d.Binding > 0 {
		m.failf("does not come to rest: %+v", d)
	}
	gatedPods, waiting := 0, 0
	for _, pod := range sorted(m.truth) {
		switch {
		case pod.Spec.NodeName != "" || pod.Spec.SchedulerName != scheduler.DefaultName:
			continue
		case len(pod.Spec.SchedulingGates) > 0:
			gatedPods++
			continue
		}
		waiting++
		if m.messages[pod.UID] == "" {
			m.failf("pod %s is neither bound nor rejected", pod.Name)
		}
		if m.known.message(pod) == "" {
			m.failf("pod %s waits though it would fit: %s", pod.Name, m.messages[pod.UID])
		}
		if node := m.known.preemptable(pod); node != "" {
			m.failf("pod %s waits though pods of lower priority are on %s: %s", pod.Name, node, m.messages[pod.UID])
		}
	}
	d := m.core.Depths()
	if d.Gated != gatedPods || d.Waiting != waiting {
		m.failf("the queue has %+v, and there are %d gated and %d waiting", d, gatedPods, waiting)
	}
	for _, n := range m.snap.Slots() {
		if n != nil && len(n.Nominated) > 0 {
			m.failf("node %s is reserved for %s, which waits for nothing", n.Name, n.Nominated[0].Object.Name)
		}
	}
}

// TestSimulation drives the scheduler through random clusters. Each run checks:
//
//   - never over-committed, no filter violated: every binding, against all
//     that the scheduler could know, by a checker that shares no code with it;
//   - the words of each rejection, against the same checker;
//   - victims have a lower priority and are enough;
//   - converged: in the end nothing is tried, bound or reserved any more;
//   - no pod lost: each is bound, gated, or rejected for a reason that holds;
//   - higher priority not starved: none waits where pods of lower priority
//     could be preempted for it.
func TestSimulation(t *testing.T) {
	runs := runsFromEnvironment()
	if testing.Short() {
		runs = 200
	}
	const shards = 4
	t.Attr("runs", fmt.Sprint(runs))
	for shard := range shards {
		t.Run(fmt.Sprintf("shard%d", shard), func(t *testing.T) {
			t.Parallel()
			bound, preempted := 0, 0
			for i := range runs / shards {
				m := newSimulation(t, uint64(i*shards+shard))
				m.run()
				bound += m.bound
				preempted += m.preempted
			}
			require.Greater(t, bound, 10*runs/shards)
			require.Greater(t, preempted, runs/shards/2)
			t.Logf("%d bindings, %d victims", bound, preempted)
		})
	}
}

// runsFromEnvironment lets a long search be asked for.
func runsFromEnvironment() int {
	if n, err := strconv.Atoi(os.Getenv("LUBBERLINE_SIMULATIONS")); err == nil {
		return n
	}
	return 2000
}
