package filter_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/lubberline/lubberline/orchestrator/scheduler/filter"
	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
	"github.com/lubberline/lubberline/orchestrator/storageclass"
)

func storage(size string) v1.ResourceList {
	return v1.ResourceList{v1.ResourceStorage: resource.MustParse(size)}
}

func waitingClaim(name, class string) *v1.PersistentVolumeClaim {
	return &v1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name)},
		Spec: v1.PersistentVolumeClaimSpec{
			StorageClassName: &class, AccessModes: []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce},
			Resources: v1.VolumeResourceRequirements{Requests: storage("1Gi")},
		},
	}
}

func freeVolume(name, class, size, disk string) *v1.PersistentVolume {
	return &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Status: v1.PersistentVolumeStatus{Phase: v1.VolumeAvailable},
		Spec: v1.PersistentVolumeSpec{
			StorageClassName: class, Capacity: storage(size), AccessModes: []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce},
			NodeAffinity: &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
				MatchExpressions: []v1.NodeSelectorRequirement{{Key: "disk", Operator: v1.NodeSelectorOpIn, Values: []string{disk}}},
			}}}},
		},
	}
}

// TestClaimsThatWait is about claims that are bound for the node of their pod.
func TestClaimsThatWait(t *testing.T) {
	const conflict = "node(s) didn't find available persistent volumes to bind"
	class := func(provisioner string, more ...func(*storagev1.StorageClass)) *storagev1.StorageClass {
		c := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "waits"}, Provisioner: provisioner, VolumeBindingMode: ptr.To(storagev1.VolumeBindingWaitForFirstConsumer)}
		for _, f := range more {
			f(c)
		}
		return c
	}
	s := snapshot.New()
	s.SetNode(node(none[*v1.Node]))
	p := s.NewPod(pod("new", func(p *v1.Pod) {
		for _, name := range []string{"a", "b"} {
			p.Spec.Volumes = append(p.Spec.Volumes, v1.Volume{Name: name, VolumeSource: v1.VolumeSource{PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: name}}})
		}
	}))
	outcome := func() (reason string, volumes []string) {
		filter.CheckVolumes(s, p.Template, s.Node("one")).Each(p.Template, func(r string) { reason = r })
		bindings, _ := filter.Bindings(s, p.Template, s.Node("one"))
		for _, b := range bindings {
			name := "provisioned"
			if b.Volume != nil {
				name = b.Volume.Name
			}
			volumes = append(volumes, b.Claim.Name+" "+name)
		}
		return reason, volumes
	}
	f := func(wantReason string, wantVolumes ...string) {
		t.Helper()
		reason, volumes := outcome()
		require.Equal(t, wantReason, reason)
		require.Equal(t, wantVolumes, volumes)
	}
	s.SetClass(class(storageclass.NoProvisioner))
	s.SetClaim(waitingClaim("a", "waits"))
	s.SetClaim(waitingClaim("b", "waits"))
	require.Empty(t, filter.ClaimsReady(s, p.Template))
	f(conflict)
	s.SetVolume(freeVolume("elsewhere", "waits", "1Gi", "hdd"))
	s.SetVolume(freeVolume("small", "waits", "500Mi", "ssd"))
	s.SetVolume(freeVolume("large", "waits", "3Gi", "ssd"))
	f(conflict) // one for two
	s.SetVolume(freeVolume("right", "waits", "1Gi", "ssd"))
	f("", "a right", "b large")

	s.RemoveVolume("large")
	s.SetClass(class("example.com/disks"))
	f("", "a right", "b provisioned")
	chosen := waitingClaim("b", "waits")
	chosen.Annotations = map[string]string{storageclass.SelectedNode: "two"}
	s.SetClaim(chosen)
	f(conflict)
	chosen = chosen.DeepCopy()
	chosen.Annotations[storageclass.SelectedNode] = "one"
	s.SetClaim(chosen)
	f("", "a right", "b provisioned")

	allowed := func(disk string) func(*storagev1.StorageClass) {
		return func(c *storagev1.StorageClass) {
			c.AllowedTopologies = []v1.TopologySelectorTerm{{MatchLabelExpressions: []v1.TopologySelectorLabelRequirement{{Key: "disk", Values: []string{disk}}}}}
		}
	}
	s.SetClass(class("example.com/disks", allowed("hdd")))
	f(conflict)
	s.SetClass(class("example.com/disks", allowed("ssd")))
	f("", "a right", "b provisioned")

	s.SetClass(class(storageclass.LocalPathProvisioner))
	f(conflict) // no folder there
	s.SetNode(node(func(n *v1.Node) { n.Annotations = map[string]string{storageclass.FolderAnnotation: "/data"} }))
	f("", "a right", "b provisioned")
	s.RemoveClass("waits")
	require.Equal(t, "pod has unbound immediate PersistentVolumeClaims", filter.ClaimsReady(s, p.Template))
}
