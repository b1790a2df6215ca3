package driver_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/ptr"

	"github.com/lubberline/lubberline/orchestrator/apiserver/apitest"
	"github.com/lubberline/lubberline/orchestrator/controller/persistentvolume"
	"github.com/lubberline/lubberline/orchestrator/storageclass"
)

// bindVolumes runs the controller that binds and makes volumes.
func (c *cluster) bindVolumes() {
	factory := informers.NewSharedInformerFactory(c.client, 0)
	controller, err := persistentvolume.New(persistentvolume.Options{
		Client: c.client, Informers: factory, Events: &record.FakeRecorder{}, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(c.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	factory.Start(ctx.Done())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = controller.Run(ctx) }()
	c.t.Cleanup(func() { cancel(); <-ended; factory.Shutdown() })
}

func storage(size string) v1.ResourceList {
	return v1.ResourceList{v1.ResourceStorage: resource.MustParse(size)}
}

func (c *cluster) claim(name, class string) {
	c.t.Helper()
	_, err := c.client.CoreV1().PersistentVolumeClaims("default").Create(c.t.Context(), &v1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1.PersistentVolumeClaimSpec{
			AccessModes: []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce}, StorageClassName: &class,
			Resources: v1.VolumeResourceRequirements{Requests: storage("1Gi")},
		},
	}, metav1.CreateOptions{})
	require.NoError(c.t, err)
}

// volumeOf is what the claim is bound to.
func (c *cluster) volumeOf(claim string) *v1.PersistentVolume {
	c.t.Helper()
	bound, err := c.client.CoreV1().PersistentVolumeClaims("default").Get(c.t.Context(), claim, metav1.GetOptions{})
	require.NoError(c.t, err)
	require.Equal(c.t, v1.ClaimBound, bound.Status.Phase)
	volume, err := c.client.CoreV1().PersistentVolumes().Get(c.t.Context(), bound.Spec.VolumeName, metav1.GetOptions{})
	require.NoError(c.t, err)
	require.Equal(c.t, bound.UID, volume.Spec.ClaimRef.UID)
	return volume
}

func withClaim(name string) func(*v1.Pod) {
	return func(p *v1.Pod) {
		p.Spec.Volumes = []v1.Volume{{Name: "v", VolumeSource: v1.VolumeSource{PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: name}}}}
	}
}

func on(node string) func(*v1.Pod) {
	return func(p *v1.Pod) { p.Spec.NodeSelector = map[string]string{v1.LabelHostname: node} }
}

func withFolder(n *v1.Node) {
	n.Annotations = map[string]string{storageclass.FolderAnnotation: "/data/" + n.Name}
}

// TestVolumesFollowTheirPods: a claim that waits gets its volume where its first
// pod is placed, and later pods go there.
func TestVolumesFollowTheirPods(t *testing.T) {
	server := apitest.Start(t)
	c := newCluster(t, server)
	c.node("one", "8", withFolder)
	c.node("two", "8", withFolder)
	c.node("three", "8")
	c.run(server)
	c.bindVolumes()

	c.claim("data", storageclass.LocalPath)
	c.pod("first", "100m", withClaim("data"), on("two"))
	c.awaitNode("first", "two")
	require.Equal(t, "/data/two/"+c.volumeOf("data").Name, c.volumeOf("data").Spec.Local.Path)
	c.pod("second", "100m", withClaim("data"))
	c.awaitNode("second", "two")
	c.pod("elsewhere", "100m", withClaim("data"), on("one"))
	c.awaitReason("elsewhere", "0/3 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity, 2 node(s) didn't match Pod's node affinity/selector. "+
		"preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.")

	c.claim("nowhere", storageclass.LocalPath)
	c.pod("folderless", "100m", withClaim("nowhere"), on("three"))
	c.awaitReason("folderless", "0/3 nodes are available: 1 node(s) didn't find available persistent volumes to bind, 2 node(s) didn't match Pod's node affinity/selector. "+
		"preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.")

	c.claim("shared", storageclass.LocalPath)
	for _, name := range []string{"left", "right"} {
		c.pod(name, "100m", withClaim("shared"))
	}
	require.Eventually(t, func() bool {
		left, right := c.get("left").Spec.NodeName, c.get("right").Spec.NodeName
		return left != "" && left == right
	}, within, often)
}

// TestVolumesMadeByHandAreReserved: of volumes that no program makes, one on the
// pod's node is taken.
func TestVolumesMadeByHandAreReserved(t *testing.T) {
	server := apitest.Start(t)
	c := newCluster(t, server)
	c.node("one", "8")
	c.node("two", "8")
	c.run(server)
	c.bindVolumes()
	_, err := c.client.StorageV1().StorageClasses().Create(t.Context(), &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: "manual"}, Provisioner: storageclass.NoProvisioner, VolumeBindingMode: ptr.To(storagev1.VolumeBindingWaitForFirstConsumer),
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	c.claim("data", "manual")
	c.pod("first", "100m", withClaim("data"))
	c.awaitReason("first", "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind. "+
		"preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.")
	_, err = c.client.CoreV1().PersistentVolumes().Create(t.Context(), &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "disk"},
		Spec: v1.PersistentVolumeSpec{
			AccessModes: []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce}, Capacity: storage("2Gi"), StorageClassName: "manual",
			PersistentVolumeSource: v1.PersistentVolumeSource{Local: &v1.LocalVolumeSource{Path: "/disk"}},
			NodeAffinity: &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
				MatchExpressions: []v1.NodeSelectorRequirement{{Key: v1.LabelHostname, Operator: v1.NodeSelectorOpIn, Values: []string{"two"}}},
			}}}},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	c.awaitNode("first", "two")
	require.Equal(t, "disk", c.volumeOf("data").Name)
}
