package persistentvolume

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/lubberline/lubberline/orchestrator/controller/simtest"
	"github.com/lubberline/lubberline/orchestrator/storageclass"
)

// TestSimulation makes and deletes claims, volumes and pods in random orders,
// with old caches and failures, and checks:
//   - Exclusive: no two claims are ever bound to the same volume;
//   - Kept: no volume is deleted that is to be retained, that somebody else has
//     made, or whose claim is there;
//   - InUse: no claim goes while a pod has it;
//   - Converged: in the end every claim is bound to a volume that is bound to
//     it, or none would do for it; and volumes without a claim are free, kept or
//     gone, as their policy says.
func TestSimulation(t *testing.T) {
	const runs = 300
	t.Attr("runs", fmt.Sprint(runs))
	bound, gone := 0, 0
	for seed := range uint64(runs) {
		s := newSimulation(t, seed)
		s.run()
		bound, gone = bound+s.bound, gone+s.gone
	}
	require.Greater(t, bound, runs, "claims are bound at all")
	require.Greater(t, gone, runs/10, "volumes are deleted at all")
}

type simulation struct {
	*simtest.World
	t           *testing.T
	seed        uint64
	made        int
	bound, gone int
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	s := &simulation{World: simtest.New(seed), t: t, seed: seed}
	s.Faults = simtest.Faults{Refused: .1 * s.Rand.Float64(), Lost: .1 * s.Rand.Float64(), Conflict: .2 * s.Rand.Float64()}
	c, err := New(Options{Client: s.Client(), Informers: s.Informers(), Events: s.Events(), Clock: s.Clock})
	require.NoError(t, err)
	s.Loops = c.Loops()
	s.API.OnWrite = s.check
	return s
}

func (s *simulation) require(ok bool, format string, args ...any) {
	s.t.Helper()
	require.True(s.t, ok, "seed %d: %s", s.seed, fmt.Sprintf(format, args...))
}

var classNames = []string{"fast", "waits", "manual"}

func (s *simulation) run() {
	class := func(name, provisioner string, mode storagev1.VolumeBindingMode, policy corev1.PersistentVolumeReclaimPolicy) simtest.Object {
		return &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: provisioner, VolumeBindingMode: &mode, ReclaimPolicy: &policy}
	}
	policies := []corev1.PersistentVolumeReclaimPolicy{corev1.PersistentVolumeReclaimDelete, corev1.PersistentVolumeReclaimRetain}
	for _, o := range []simtest.Object{
		class("fast", storageclass.LocalPathProvisioner, storagev1.VolumeBindingImmediate, policies[s.Rand.IntN(2)]),
		class("waits", storageclass.LocalPathProvisioner, storagev1.VolumeBindingWaitForFirstConsumer, policies[s.Rand.IntN(2)]),
		&corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: "node", Labels: map[string]string{corev1.LabelHostname: "node"}, Annotations: map[string]string{storageclass.FolderAnnotation: "/data/volumes"}},
			Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}},
		},
	} {
		_, err := s.API.Create(o)
		require.NoError(s.t, err)
	}
	for range 400 {
		if s.Chance(.15) {
			s.disturb()
		}
		if s.Chance(.1) {
			s.others()
		}
		s.Step(s.t.Context())
	}
	s.require(s.Settle(s.t.Context(), time.Hour, s.others), "Converged: still busy")
	s.checkEnd()
}

func (s *simulation) disturb() {
	claims, volumes := simtest.List[*corev1.PersistentVolumeClaim](s.API), simtest.List[*corev1.PersistentVolume](s.API)
	pick := func(n int) int { return s.Rand.IntN(n) }
	switch n := pick(10); {
	case n < 3 && len(claims) < 6:
		s.addClaim(volumes)
	case n < 5 && len(volumes) < 8:
		s.addVolume()
	case n < 6 && len(claims) > 0:
		require.NoError(s.t, s.API.Delete(claims[pick(len(claims))], nil))
	case n < 7 && len(volumes) > 0 && s.Chance(.3):
		require.NoError(s.t, s.API.Delete(volumes[pick(len(volumes))], nil))
	case n < 9 && len(claims) > 0:
		s.addPod(claims[pick(len(claims))].Name)
	default:
		for _, pod := range s.Pods() {
			if s.Chance(.5) {
				s.API.End(pod)
			}
		}
	}
}

func (s *simulation) size() corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceStorage: *resource.NewQuantity(int64(1+s.Rand.IntN(3)), resource.BinarySI)}
}

func (s *simulation) addClaim(volumes []*corev1.PersistentVolume) {
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: fmt.Sprint("claim-", s.Rand.IntN(6))},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: &classNames[s.Rand.IntN(3)],
			Resources: corev1.VolumeResourceRequirements{Requests: s.size()},
		},
	}
	if len(volumes) > 0 && s.Chance(.2) {
		claim.Spec.VolumeName = volumes[s.Rand.IntN(len(volumes))].Name
	}
	_, _ = s.API.Create(claim) // there may be one
}

func (s *simulation) addVolume() {
	s.made++
	policies := []corev1.PersistentVolumeReclaimPolicy{corev1.PersistentVolumeReclaimDelete, corev1.PersistentVolumeReclaimRetain, corev1.PersistentVolumeReclaimRecycle}
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("volume-", s.made)},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce, corev1.ReadOnlyMany}, Capacity: s.size(),
			StorageClassName: []string{"manual", "fast"}[s.Rand.IntN(2)], PersistentVolumeReclaimPolicy: policies[s.Rand.IntN(3)],
		},
	}
	if s.Chance(.2) {
		volume.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "ns", Name: fmt.Sprint("claim-", s.Rand.IntN(6))}
	}
	_, err := s.API.Create(volume)
	require.NoError(s.t, err)
}

// addPod is what scheduler and node let happen: a pod of a claim that is bound
// and not being deleted.
func (s *simulation) addPod(claim string) {
	if c := simtest.Get[*corev1.PersistentVolumeClaim](s.API, "ns", claim); c.DeletionTimestamp != nil || c.Status.Phase != corev1.ClaimBound {
		return
	}
	s.made++
	_, err := s.API.Create(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: fmt.Sprint("pod-", s.made)},
		Spec: corev1.PodSpec{NodeName: "node", Volumes: []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
		}}}},
	})
	require.NoError(s.t, err)
}

// others is what scheduler and node do: choose nodes and remove folders.
func (s *simulation) others() bool {
	for _, c := range simtest.List[*corev1.PersistentVolumeClaim](s.API) {
		if storageclass.OfClaim(c) == "waits" && c.Spec.VolumeName == "" && c.DeletionTimestamp == nil && c.Annotations[storageclass.SelectedNode] == "" {
			simtest.Change(s.API, "ns", c.Name, func(c *corev1.PersistentVolumeClaim) {
				metav1.SetMetaDataAnnotation(&c.ObjectMeta, storageclass.SelectedNode, "node")
			})
			return true
		}
	}
	for _, v := range simtest.List[*corev1.PersistentVolume](s.API) {
		if v.DeletionTimestamp != nil && slices.Equal(v.Finalizers, []string{storageclass.FolderFinalizer}) {
			simtest.Change(s.API, "", v.Name, func(v *corev1.PersistentVolume) { v.Finalizers = nil })
			return true
		}
	}
	return false
}

func (s *simulation) check(w simtest.Write) {
	switch current := w.Current.(type) {
	case *corev1.PersistentVolumeClaim:
		s.checkExclusive(current)
	case *corev1.PersistentVolume:
		old, _ := w.Old.(*corev1.PersistentVolume)
		if w.ByController && old != nil && old.DeletionTimestamp == nil && current.DeletionTimestamp != nil {
			s.gone++
			s.checkKept(current)
		}
	case nil:
		if claim, is := w.Old.(*corev1.PersistentVolumeClaim); is {
			for _, pod := range s.Pods() {
				s.require(!uses(pod, claim.Name), "InUse: %s by %s", claim.Name, pod.Name)
			}
		}
	}
}

func (s *simulation) checkExclusive(claim *corev1.PersistentVolumeClaim) {
	if claim.Annotations[storageclass.BindCompleted] == "" {
		return
	}
	s.bound++
	for _, other := range simtest.List[*corev1.PersistentVolumeClaim](s.API) {
		s.require(other.UID == claim.UID || other.Annotations[storageclass.BindCompleted] == "" || other.Spec.VolumeName != claim.Spec.VolumeName,
			"Exclusive: %s and %s have %s", claim.Name, other.Name, claim.Spec.VolumeName)
	}
}

func (s *simulation) checkKept(v *corev1.PersistentVolume) {
	s.require(v.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete && v.Annotations[storageclass.ProvisionedBy] == storageclass.LocalPathProvisioner, "Kept: %s", v.Name)
	claim := simtest.Get[*corev1.PersistentVolumeClaim](s.API, "ns", v.Spec.ClaimRef.Name)
	s.require(claim == nil || claim.UID != v.Spec.ClaimRef.UID || claim.Spec.VolumeName != v.Name, "Kept: %s has its claim", v.Name)
}

func (s *simulation) checkEnd() {
	volumes := simtest.List[*corev1.PersistentVolume](s.API)
	for _, claim := range simtest.List[*corev1.PersistentVolumeClaim](s.API) {
		switch claim.Status.Phase {
		case corev1.ClaimBound:
			v := simtest.Get[*corev1.PersistentVolume](s.API, "", claim.Spec.VolumeName)
			s.require(v != nil && v.Spec.ClaimRef.UID == claim.UID && v.Status.Phase == corev1.VolumeBound, "Converged: %s", claim.Name)
			s.require(claim.Annotations[storageclass.BindCompleted] != "", "Converged: %s", claim.Name)
			s.require(claim.DeletionTimestamp == nil || slices.ContainsFunc(s.Pods(), func(p *corev1.Pod) bool { return uses(p, claim.Name) }), "Converged: %s stays", claim.Name)
		case corev1.ClaimPending:
			s.require(claim.Spec.VolumeName != "" || storageclass.OfClaim(claim) == "manual", "Converged: %s is pending", claim.Name)
			s.require(claim.Spec.VolumeName != "" || storageclass.Find(volumes, claim, nil) == nil, "Converged: %s could be bound", claim.Name)
		default:
			s.require(false, "Converged: %s is %s", claim.Name, claim.Status.Phase)
		}
	}
	for _, v := range volumes {
		s.checkEndOf(v)
	}
}

func (s *simulation) checkEndOf(v *corev1.PersistentVolume) {
	s.require(v.DeletionTimestamp == nil || v.Status.Phase == corev1.VolumeBound, "Converged: %s stays", v.Name)
	ref := v.Spec.ClaimRef
	if ref == nil || ref.UID == "" {
		s.require(v.Status.Phase == corev1.VolumeAvailable, "Converged: %s is %s", v.Name, v.Status.Phase)
		return
	}
	claim := simtest.Get[*corev1.PersistentVolumeClaim](s.API, "ns", ref.Name)
	if claim != nil && claim.UID == ref.UID {
		s.require(claim.Spec.VolumeName == v.Name, "Converged: %s has a claim of another", v.Name)
		return
	}
	want := map[corev1.PersistentVolumeReclaimPolicy]corev1.PersistentVolumePhase{
		corev1.PersistentVolumeReclaimRetain: corev1.VolumeReleased, corev1.PersistentVolumeReclaimDelete: corev1.VolumeFailed, corev1.PersistentVolumeReclaimRecycle: corev1.VolumeFailed,
	}[v.Spec.PersistentVolumeReclaimPolicy]
	s.require(v.Status.Phase == want, "Converged: %s with %s is %s", v.Name, v.Spec.PersistentVolumeReclaimPolicy, v.Status.Phase)
	_, provisioned := v.Annotations[storageclass.ProvisionedBy]
	s.require(ptr.Deref(&v.Spec.PersistentVolumeReclaimPolicy, "") != corev1.PersistentVolumeReclaimDelete || !provisioned, "Converged: %s is not deleted", v.Name)
}
