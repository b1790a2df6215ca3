package deployment

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/record"

	"github.com/lubberline/lubberline/orchestrator/controller/replication"
	"github.com/lubberline/lubberline/orchestrator/controller/simtest"
)

// bench is a world without faults, with a deployment of the name d.
type bench struct {
	*simulation
	events chan string
}

func newBench(t *testing.T, change func(*appsv1.Deployment)) *bench {
	recorder := record.NewFakeRecorder(1000)
	b := &bench{simulation: &simulation{World: simtest.New(1), t: t, calm: true}, events: recorder.Events}
	sets, err := replication.NewReplicaSets(replication.Options{Client: b.Client(), Informers: b.Informers(), Events: b.Events(), Clock: b.Clock, Parallel: 1})
	require.NoError(t, err)
	c, err := New(Options{Client: b.Client(), Informers: b.Informers(), Events: recorder, Clock: b.Clock})
	require.NoError(t, err)
	b.Loops = append(sets.Loops(), c.Loops()...)
	labels, replicas, deadline := map[string]string{"app": "a"}, int32(10), int32(600)
	surge, unavailable := intstr.FromInt32(3), intstr.FromInt32(2)
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "d"}, Spec: appsv1.DeploymentSpec{
		Replicas: &replicas, ProgressDeadlineSeconds: &deadline, Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: podSpec(0)},
		Strategy: appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType,
			RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &surge, MaxUnavailable: &unavailable}},
	}}
	if change != nil {
		change(d)
	}
	_, err = b.API.Create(d)
	require.NoError(t, err)
	return b
}

// settle lets nodes start pods, but none of the given image.
func (b *bench) settle(horizon time.Duration, broken string) {
	b.t.Helper()
	require.True(b.t, b.Settle(b.t.Context(), horizon, func() bool {
		return b.StepPods(func(p *corev1.Pod) string {
			if p.Spec.Containers[0].Image == broken {
				return ""
			}
			return "node"
		})
	}))
}

func (b *bench) sizes() map[string]int32 {
	sizes := map[string]int32{}
	for _, set := range simtest.List[*appsv1.ReplicaSet](b.API) {
		sizes[set.Spec.Template.Spec.Containers[0].Image] = size(set)
	}
	return sizes
}

func (b *bench) heard() []string {
	var all []string
	for len(b.events) > 0 {
		text := <-b.events
		for _, set := range simtest.List[*appsv1.ReplicaSet](b.API) {
			text = strings.ReplaceAll(text, set.Name, set.Spec.Template.Spec.Containers[0].Image)
		}
		all = append(all, text)
	}
	return all
}

func TestScalingInProportion(t *testing.T) {
	b := newBench(t, nil)
	b.settle(0, "")
	require.Equal(t, map[string]int32{"image:0": 10}, b.sizes())
	b.change(func(d *appsv1.Deployment) { d.Spec.Template.Spec = podSpec(404) })
	b.settle(0, "image:404")
	require.Equal(t, map[string]int32{"image:0": 8, "image:404": 5}, b.sizes())
	thirty := int32(30)
	b.change(func(d *appsv1.Deployment) { d.Spec.Replicas = &thirty })
	b.settle(0, "image:404")
	require.Equal(t, map[string]int32{"image:0": 20, "image:404": 13}, b.sizes())
	five := int32(5)
	b.change(func(d *appsv1.Deployment) { d.Spec.Replicas = &five })
	b.settle(0, "image:404")
	require.EqualValues(t, 8, b.sizes()["image:0"]+b.sizes()["image:404"], "the wanted number and the surge")
}

func TestProgressIsToldInKubernetesWords(t *testing.T) {
	b := newBench(t, nil)
	b.settle(0, "")
	set := b.deployment().Annotations[revisionAnnotation]
	require.Equal(t, "1", set)
	progress := func() *appsv1.DeploymentCondition {
		d := b.deployment()
		return condition(&d.Status, appsv1.DeploymentProgressing)
	}
	require.Equal(t, "NewReplicaSetAvailable", progress().Reason)
	require.Regexp(t, `^ReplicaSet "d-[a-z0-9]+" has successfully progressed\.$`, progress().Message)
	require.Equal(t, []string{"Normal ScalingReplicaSet Scaled up replica set image:0 from 0 to 10"}, b.heard())

	b.change(func(d *appsv1.Deployment) { d.Spec.Template.Spec = podSpec(404) })
	b.settle(5*time.Minute, "image:404")
	require.Equal(t, "ReplicaSetUpdated", progress().Reason)
	require.Regexp(t, `^ReplicaSet "d-[a-z0-9]+" is progressing\.$`, progress().Message)
	require.Equal(t, []string{
		"Normal ScalingReplicaSet Scaled up replica set image:404 from 0 to 3",
		"Normal ScalingReplicaSet Scaled down replica set image:0 from 10 to 8",
		"Normal ScalingReplicaSet Scaled up replica set image:404 from 3 to 5",
	}, b.heard())

	b.settle(11*time.Minute, "image:404")
	require.Equal(t, "ProgressDeadlineExceeded", progress().Reason)
	require.Equal(t, corev1.ConditionFalse, progress().Status)
	require.Regexp(t, `^ReplicaSet "d-[a-z0-9]+" has timed out progressing\.$`, progress().Message)

	b.change(func(d *appsv1.Deployment) { d.Spec.Template.Spec = podSpec(0) })
	b.settle(0, "image:404")
	require.Equal(t, "NewReplicaSetAvailable", progress().Reason)
	require.Equal(t, map[string]int32{"image:0": 10, "image:404": 0}, b.sizes())
	require.Equal(t, "3", b.deployment().Annotations[revisionAnnotation])
	for _, set := range simtest.List[*appsv1.ReplicaSet](b.API) {
		if size(set) == 10 {
			require.Equal(t, "1", set.Annotations[revisionHistoryAnnotation])
			require.Equal(t, "13", set.Annotations[maxReplicasAnnotation])
		}
	}
}

func TestAPauseHoldsTheRollOutButNotItsSize(t *testing.T) {
	b := newBench(t, nil)
	b.settle(0, "")
	four := int32(4)
	b.change(func(d *appsv1.Deployment) {
		d.Spec.Paused, d.Spec.Replicas, d.Spec.Template.Spec = true, &four, podSpec(1)
	})
	b.settle(time.Hour, "")
	require.Equal(t, map[string]int32{"image:0": 4}, b.sizes())
	d := b.deployment()
	require.Equal(t, reasonPaused, condition(&d.Status, appsv1.DeploymentProgressing).Reason)
	b.change(func(d *appsv1.Deployment) { d.Spec.Paused = false })
	b.settle(0, "")
	require.Equal(t, map[string]int32{"image:0": 0, "image:1": 4}, b.sizes())
}

func TestAHashThatIsTakenIsNotUsed(t *testing.T) {
	b := newBench(t, nil)
	r := newRollout(b.deployment(), nil, b.Clock.Now())
	taken := r.newSet()
	taken.OwnerReferences, taken.Spec.Template.Spec = nil, podSpec(9)
	taken.Labels, taken.Spec.Selector = map[string]string{"app": "other"}, &metav1.LabelSelector{MatchLabels: map[string]string{"app": "other"}}
	none := int32(0)
	taken.Spec.Replicas = &none
	_, err := b.API.Create(taken)
	require.NoError(t, err)
	b.settle(time.Minute, "")
	require.EqualValues(t, 1, *b.deployment().Status.CollisionCount)
	require.EqualValues(t, 10, b.sizes()["image:0"])
}

func TestADeploymentMustNotSelectEverything(t *testing.T) {
	b := newBench(t, func(d *appsv1.Deployment) { d.Spec.Selector = &metav1.LabelSelector{} })
	b.settle(0, "")
	require.Empty(t, b.sizes())
	require.Contains(t, b.heard(), "Warning SelectingAll This deployment is selecting all pods. A non-empty selector is required.")
	require.EqualValues(t, 1, b.deployment().Status.ObservedGeneration)
}

func TestBounds(t *testing.T) {
	of := func(surge, unavailable intstr.IntOrString, replicas int32) [2]int32 {
		s, u := bounds(&appsv1.RollingUpdateDeployment{MaxSurge: &surge, MaxUnavailable: &unavailable}, replicas)
		return [2]int32{s, u}
	}
	quarter := intstr.FromString("25%")
	require.Equal(t, [2]int32{3, 2}, of(quarter, quarter, 10), "up and down")
	require.Equal(t, [2]int32{1, 0}, of(quarter, quarter, 1))
	require.Equal(t, [2]int32{0, 1}, of(intstr.FromInt32(0), quarter, 3), "something must be able to move")
	require.Equal(t, [2]int32{0, 2}, of(intstr.FromInt32(0), intstr.FromInt32(5), 2), "no more than there are")
}

func TestHistoryIsBounded(t *testing.T) {
	require.Equal(t, "1", appendHistory("", "1"))
	require.Equal(t, "1,2", appendHistory("1", "2"))
	long := strings.Repeat("12345,", 333) + "1"
	require.Equal(t, long[6:]+",77777", appendHistory(long, "77777"))
	require.LessOrEqual(t, len(appendHistory(long, "77777")), maxHistoryLength)
}
