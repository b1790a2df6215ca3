package registry_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
)

func pod(name string, change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": "web"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "busybox"}}},
	}
	for _, f := range change {
		f(p)
	}
	return p
}

func bind(t testing.TB, c kubernetes.Interface, name, node string) error {
	t.Helper()
	return c.CoreV1().Pods("default").Bind(t.Context(), &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Target: corev1.ObjectReference{Kind: "Node", Name: node},
	}, create)
}

func TestNewPodIsPending(t *testing.T) {
	_, c := start(t)
	pods := c.CoreV1().Pods("default")
	made, err := pods.Create(t.Context(), pod("a", func(p *corev1.Pod) {
		p.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "1.2.3.4"}
	}), create)
	require.NoError(t, err)
	require.Equal(t, corev1.PodStatus{Phase: corev1.PodPending, QOSClass: corev1.PodQOSBestEffort}, made.Status)
	require.EqualValues(t, 1, made.Generation)
	made.Status.Phase = corev1.PodRunning
	made.Labels["more"] = "yes"
	updated, err := pods.Update(t.Context(), made, update)
	require.NoError(t, err)
	require.Equal(t, corev1.PodPending, updated.Status.Phase)
	require.Equal(t, "yes", updated.Labels["more"])
	updated.Status.Phase, updated.Labels = corev1.PodRunning, nil
	running, err := pods.UpdateStatus(t.Context(), updated, update)
	require.NoError(t, err)
	require.Equal(t, corev1.PodRunning, running.Status.Phase)
	running.Spec.Containers[0].Image = "busybox:2"
	running, err = pods.Update(t.Context(), running, update)
	require.NoError(t, err)
	require.EqualValues(t, 2, running.Generation)
	running.Spec.NodeName = "elsewhere"
	_, err = pods.Update(t.Context(), running, update)
	require.True(t, apierrors.IsInvalid(err), "%v", err)
}

func TestPodsAreSelectedByNode(t *testing.T) {
	_, c := start(t)
	pods := c.CoreV1().Pods("default")
	for _, name := range []string{"a", "b", "c"} {
		_, err := pods.Create(t.Context(), pod(name), create)
		require.NoError(t, err)
	}
	require.NoError(t, bind(t, c, "b", "n1"))
	on, err := pods.List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=n1"})
	require.NoError(t, err)
	require.Len(t, on.Items, 1)
	w, err := pods.Watch(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=n1", ResourceVersion: on.ResourceVersion})
	require.NoError(t, err)
	defer w.Stop()
	require.NoError(t, bind(t, c, "c", "n1"))
	e := <-w.ResultChan()
	require.Equal(t, watch.Added, e.Type)
	require.Equal(t, "c", e.Object.(*corev1.Pod).Name)
	pending, err := pods.List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=,status.phase=Pending"})
	require.NoError(t, err)
	require.Len(t, pending.Items, 1)
	_, err = pods.List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nothing=1"})
	require.ErrorContains(t, err, "field label not supported: spec.nothing")
}

func TestBinding(t *testing.T) {
	_, c := start(t)
	pods := c.CoreV1().Pods("default")
	made, err := pods.Create(t.Context(), pod("a"), create)
	require.NoError(t, err)
	wrong := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: "a", UID: "other"}, Target: corev1.ObjectReference{Name: "n1"}}
	require.True(t, apierrors.IsConflict(pods.Bind(t.Context(), wrong, create)), "the binding is for another pod")
	right := &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: "a", UID: made.UID, Annotations: map[string]string{"from": "scheduler"}},
		Target:     corev1.ObjectReference{Kind: "Node", Name: "n1"},
	}
	require.NoError(t, pods.Bind(t.Context(), right, create))
	bound, err := pods.Get(t.Context(), "a", get)
	require.NoError(t, err)
	require.Equal(t, "n1", bound.Spec.NodeName)
	require.Equal(t, "scheduler", bound.Annotations["from"])
	require.Equal(t, corev1.PodScheduled, bound.Status.Conditions[0].Type)
	require.Equal(t, corev1.ConditionTrue, bound.Status.Conditions[0].Status)
	requireStatus(t, bind(t, c, "a", "n2"), 409,
		`Operation cannot be fulfilled on pods/binding "a": pod a is already assigned to node "n1"`)
	require.True(t, apierrors.IsNotFound(bind(t, c, "none", "n1")))
	_, err = pods.Create(t.Context(), pod("gated", func(p *corev1.Pod) {
		p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "example.com/wait"}}
	}), create)
	require.NoError(t, err)
	requireStatus(t, bind(t, c, "gated", "n1"), 409,
		`Operation cannot be fulfilled on pods/binding "gated": pod gated has non-empty .spec.schedulingGates`)
	old := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: "b", Namespace: "default"}, Target: corev1.ObjectReference{Name: "n1"}}
	_, err = pods.Create(t.Context(), pod("b"), create)
	require.NoError(t, err)
	require.NoError(t, c.CoreV1().RESTClient().Post().Namespace("default").Resource("bindings").Body(old).Do(t.Context()).Error())
}

func TestPodsEndGracefully(t *testing.T) {
	_, c := start(t)
	pods := c.CoreV1().Pods("default")
	make := func(name string, bound bool) {
		_, err := pods.Create(t.Context(), pod(name), create)
		require.NoError(t, err)
		if bound {
			require.NoError(t, bind(t, c, name, "n1"))
		}
	}
	gone := func(name string) {
		_, err := pods.Get(t.Context(), name, get)
		require.True(t, apierrors.IsNotFound(err), "%s: %v", name, err)
	}
	make("unbound", false)
	require.NoError(t, pods.Delete(t.Context(), "unbound", remove))
	gone("unbound")

	make("bound", true)
	require.NoError(t, pods.Delete(t.Context(), "bound", remove))
	marked, err := pods.Get(t.Context(), "bound", get)
	require.NoError(t, err)
	require.EqualValues(t, 30, *marked.DeletionGracePeriodSeconds)
	require.WithinDuration(t, time.Now().Add(30*time.Second), marked.DeletionTimestamp.Time, 10*time.Second)
	require.NoError(t, pods.Delete(t.Context(), "bound", metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}), "as the agent does when nothing runs any more")
	gone("bound")

	make("ended", true)
	ended, err := pods.Get(t.Context(), "ended", get)
	require.NoError(t, err)
	ended.Status.Phase = corev1.PodSucceeded
	_, err = pods.UpdateStatus(t.Context(), ended, update)
	require.NoError(t, err)
	require.NoError(t, pods.Delete(t.Context(), "ended", remove))
	gone("ended")

	make("many", true)
	require.NoError(t, pods.DeleteCollection(t.Context(), metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](7)}, metav1.ListOptions{LabelSelector: "app=web"}))
	marked, err = pods.Get(t.Context(), "many", get)
	require.NoError(t, err)
	require.EqualValues(t, 7, *marked.DeletionGracePeriodSeconds)
}

func TestEphemeralContainers(t *testing.T) {
	_, c := start(t)
	pods := c.CoreV1().Pods("default")
	made, err := pods.Create(t.Context(), pod("a"), create)
	require.NoError(t, err)
	made.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
		Name: "debug", Image: "busybox", ImagePullPolicy: corev1.PullIfNotPresent, TerminationMessagePolicy: corev1.TerminationMessageReadFile,
	}}}
	made.Spec.Containers[0].Image = "other"
	made, err = pods.UpdateEphemeralContainers(t.Context(), "a", made, update)
	require.NoError(t, err)
	require.Equal(t, "debug", made.Spec.EphemeralContainers[0].Name)
	require.Equal(t, "busybox", made.Spec.Containers[0].Image, "only the ephemeral containers change")
	made.Spec.EphemeralContainers = nil
	_, err = pods.UpdateEphemeralContainers(t.Context(), "a", made, update)
	require.ErrorContains(t, err, "existing ephemeral containers")
}

func TestSelectorsTakeTheValuesOfLabelKeys(t *testing.T) {
	_, c := start(t)
	made, err := c.CoreV1().Pods("default").Create(t.Context(), pod("a", func(p *corev1.Pod) {
		p.Labels["hash"] = "7"
		p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
				LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
				TopologyKey:   "kubernetes.io/hostname", MismatchLabelKeys: []string{"hash"},
			}},
		}}
	}), create)
	require.NoError(t, err)
	term := made.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0]
	require.Equal(t, []metav1.LabelSelectorRequirement{{Key: "hash", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"7"}}}, term.LabelSelector.MatchExpressions)
}

// runningPod makes a pod that is ready on a node.
func runningPod(t *testing.T, c kubernetes.Interface, name string, ready corev1.ConditionStatus) {
	t.Helper()
	pods := c.CoreV1().Pods("default")
	_, err := pods.Create(t.Context(), pod(name), create)
	require.NoError(t, err)
	require.NoError(t, bind(t, c, name, "n1"))
	p, err := pods.Get(t.Context(), name, get)
	require.NoError(t, err)
	p.Status.Phase = corev1.PodRunning
	p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: ready})
	_, err = pods.UpdateStatus(t.Context(), p, update)
	require.NoError(t, err)
}

func evict(t *testing.T, c kubernetes.Interface, name string) error {
	t.Helper()
	eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}
	// The client would wait and ask again, ten times, when it is told to.
	return c.CoreV1().RESTClient().Post().MaxRetries(0).Namespace("default").Resource("pods").Name(name).SubResource("eviction").
		Body(eviction).Do(t.Context()).Error()
}

func TestEvictionWithoutBudget(t *testing.T) {
	_, c := start(t)
	runningPod(t, c, "a", corev1.ConditionTrue)
	require.NoError(t, evict(t, c, "a"))
	p, err := c.CoreV1().Pods("default").Get(t.Context(), "a", get)
	require.NoError(t, err)
	require.NotNil(t, p.DeletionTimestamp)
	last := p.Status.Conditions[len(p.Status.Conditions)-1]
	require.Equal(t, corev1.DisruptionTarget, last.Type)
	require.Equal(t, "EvictionByEvictionAPI", last.Reason)
	require.True(t, apierrors.IsNotFound(evict(t, c, "none")))
}

func TestEvictionRespectsBudget(t *testing.T) {
	_, c := start(t)
	for _, name := range []string{"a", "b"} {
		runningPod(t, c, name, corev1.ConditionTrue)
	}
	runningPod(t, c, "unready", corev1.ConditionFalse)
	budgets := c.PolicyV1().PodDisruptionBudgets("default")
	b, err := budgets.Create(t.Context(), &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: policyv1.PodDisruptionBudgetSpec{
			MinAvailable: ptr.To(intstr.FromInt32(1)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
		},
	}, create)
	require.NoError(t, err)
	err = evict(t, c, "a")
	requireStatus(t, err, 429, "Cannot evict pod as it would violate the pod's disruption budget.")
	require.ErrorContains(t, causeOf(err), "The disruption budget web is still being processed by the server.")
	b.Status = policyv1.PodDisruptionBudgetStatus{ObservedGeneration: b.Generation, DisruptionsAllowed: 1, CurrentHealthy: 2, DesiredHealthy: 1, ExpectedPods: 3}
	_, err = budgets.UpdateStatus(t.Context(), b, update)
	require.NoError(t, err)
	require.NoError(t, evict(t, c, "unready"), "a pod that is not healthy costs nothing")
	require.NoError(t, evict(t, c, "a"))
	err = evict(t, c, "b")
	requireStatus(t, err, 429, "Cannot evict pod as it would violate the pod's disruption budget.")
	require.ErrorContains(t, causeOf(err), "The disruption budget web needs 1 healthy pods and has 2 currently")
	b, err = budgets.Get(t.Context(), "web", get)
	require.NoError(t, err)
	require.Contains(t, b.Status.DisruptedPods, "a")
	require.Zero(t, b.Status.DisruptionsAllowed)
	_, err = budgets.Create(t.Context(), &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "second"}, Spec: policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{}},
	}, create)
	require.NoError(t, err)
	requireStatus(t, evict(t, c, "b"), 500, "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.")
}

func TestConcurrentEvictionsShareNoDisruption(t *testing.T) {
	_, c := start(t)
	budgets := c.PolicyV1().PodDisruptionBudgets("default")
	b, err := budgets.Create(t.Context(), &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable: ptr.To(intstr.FromInt32(3)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
		},
	}, create)
	require.NoError(t, err)
	b.Status = policyv1.PodDisruptionBudgetStatus{ObservedGeneration: b.Generation, DisruptionsAllowed: 3, CurrentHealthy: 8, DesiredHealthy: 5}
	_, err = budgets.UpdateStatus(t.Context(), b, update)
	require.NoError(t, err)
	for i := range 8 {
		runningPod(t, c, fmt.Sprint("p", i), corev1.ConditionTrue)
	}
	var wait sync.WaitGroup
	evicted := make(chan string, 8)
	for i := range 8 {
		wait.Go(func() {
			if err := evict(t, c, fmt.Sprint("p", i)); err == nil {
				evicted <- fmt.Sprint("p", i)
			} else if !apierrors.IsTooManyRequests(err) {
				t.Errorf("p%d: %v", i, err)
			}
		})
	}
	wait.Wait()
	require.Len(t, evicted, 3)
}

// causeOf is the first cause that a status names.
func causeOf(err error) error {
	var status apierrors.APIStatus
	if s, ok := err.(apierrors.APIStatus); ok { //nolint:errorlint // of a client, never wrapped
		status = s
	}
	return fmt.Errorf("%s", status.Status().Details.Causes[0].Message)
}

func TestPatchOfAStatusByTheAgent(t *testing.T) {
	_, c := start(t)
	runningPod(t, c, "a", corev1.ConditionFalse)
	p, err := c.CoreV1().Pods("default").Patch(t.Context(), "a", types.StrategicMergePatchType,
		[]byte(`{"status":{"conditions":[{"type":"Ready","status":"True"}]}}`), metav1.PatchOptions{}, "status")
	require.NoError(t, err)
	require.Len(t, p.Status.Conditions, 2)
	require.Equal(t, corev1.PodQOSBestEffort, p.Status.QOSClass)
}

// binders is how many bindings are under way at once: the store writes those
// that wait together.
const binders = 64

// BenchmarkBind measures bindings through the API of this process, in parallel
// as the scheduler makes them.
func BenchmarkBind(b *testing.B) {
	_, c := start(b)
	pods := c.CoreV1().Pods("default")
	var wait sync.WaitGroup
	for w := range binders {
		wait.Go(func() {
			for i := w; i < b.N; i += binders {
				if _, err := pods.Create(b.Context(), pod(fmt.Sprint("p", i)), create); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wait.Wait()
	b.ResetTimer()
	for w := range binders {
		wait.Go(func() {
			for i := w; i < b.N; i += binders {
				if err := bind(b, c, fmt.Sprint("p", i), "n1"); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wait.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "binds/s")
}
