package ephemeralvolume

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/controller/simtest"
)

// TestSimulation makes and deletes pods and claims in random orders, with old
// caches and failures, and checks that every pod comes to have a claim of its
// own for each such volume, unless another claim is in the way, and that no
// claim of others is changed.
func TestSimulation(t *testing.T) {
	const runs = 300
	for seed := range uint64(runs) {
		simulate(t, seed)
	}
}

func simulate(t *testing.T, seed uint64) {
	w := simtest.New(seed)
	w.Faults = simtest.Faults{Refused: .1 * w.Rand.Float64(), Lost: .1 * w.Rand.Float64()}
	c, err := New(Options{Client: w.Client(), Informers: w.Informers(), Events: w.Events(), Clock: w.Clock})
	require.NoError(t, err)
	w.Loops = c.Loops()
	w.API.OnWrite = func(write simtest.Write) {
		require.False(t, write.ByController && write.Old != nil, "seed %d: nothing is changed or deleted", seed)
	}
	for range 200 {
		name := fmt.Sprint("pod-", w.Rand.IntN(4))
		switch w.Rand.IntN(8) {
		case 0:
			_, _ = w.API.Create(podOf(name))
		case 1:
			if pod := simtest.Get[*corev1.Pod](w.API, "ns", name); pod != nil {
				w.API.End(pod)
			}
		case 2:
			if claim := simtest.Get[*corev1.PersistentVolumeClaim](w.API, "ns", name+"-scratch"); claim != nil {
				w.API.End(claim)
			}
		case 3:
			if w.Chance(.1) {
				_, _ = w.API.Create(&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name + "-scratch"}})
			}
		}
		w.Step(t.Context())
	}
	collect := func() bool { // what the garbage collector does
		for _, claim := range simtest.List[*corev1.PersistentVolumeClaim](w.API) {
			if owner := metav1.GetControllerOf(claim); owner != nil {
				if pod := simtest.Get[*corev1.Pod](w.API, "ns", owner.Name); pod == nil || pod.UID != owner.UID {
					w.API.End(claim)
					return true
				}
			}
		}
		return false
	}
	require.True(t, w.Settle(t.Context(), 10*time.Minute, collect), "seed %d", seed)
	for _, pod := range w.Pods() {
		claim := simtest.Get[*corev1.PersistentVolumeClaim](w.API, "ns", pod.Name+"-scratch")
		require.NotNil(t, claim, "seed %d: %s", seed, pod.Name)
		owner := metav1.GetControllerOf(claim)
		require.True(t, owner == nil || owner.UID == pod.UID, "seed %d: %s", seed, pod.Name)
		require.True(t, owner == nil || claim.Labels["of"] == "scratch")
	}
}

func podOf(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name},
		Spec: corev1.PodSpec{Volumes: []corev1.Volume{
			{Name: "other", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			{Name: "scratch", VolumeSource: corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{
				VolumeClaimTemplate: &corev1.PersistentVolumeClaimTemplate{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"of": "scratch"}}},
			}}},
		}},
	}
}
