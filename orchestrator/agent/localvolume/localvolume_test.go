package localvolume

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/lubberline/lubberline/orchestrator/storageclass"
)

func volume(folder, name string, policy corev1.PersistentVolumeReclaimPolicy) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Labels: map[string]string{storageclass.NodeLabel: "one"}, Finalizers: []string{storageclass.FolderFinalizer},
			Annotations: map[string]string{storageclass.ProvisionedBy: storageclass.LocalPathProvisioner},
		},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: policy,
			PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: filepath.Join(folder, name)}},
		},
	}
}

func TestFoldersGoWithTheirVolumes(t *testing.T) {
	folder, now := filepath.Join(t.TempDir(), "volumes"), metav1.Now()
	made := func(name string, policy corev1.PersistentVolumeReclaimPolicy, change func(*corev1.PersistentVolume)) *corev1.PersistentVolume {
		v := volume(folder, name, policy)
		path, err := Make(folder, v)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(path, "data"), []byte("x"), 0o600))
		change(v)
		return v
	}
	deleted := func(v *corev1.PersistentVolume) { v.DeletionTimestamp = &now }
	client := fake.NewClientset(
		made("pvc-deleted", corev1.PersistentVolumeReclaimDelete, deleted),
		made("pvc-retained", corev1.PersistentVolumeReclaimRetain, deleted),
		made("pvc-living", corev1.PersistentVolumeReclaimDelete, func(*corev1.PersistentVolume) {}),
		made("pvc-bound", corev1.PersistentVolumeReclaimDelete, func(v *corev1.PersistentVolume) {
			deleted(v)
			v.Finalizers = append(v.Finalizers, "kubernetes.io/pv-protection")
		}),
		made("pvc-lying", corev1.PersistentVolumeReclaimDelete, func(v *corev1.PersistentVolume) {
			deleted(v)
			v.Spec.Local.Path = filepath.Join(folder, "pvc-living")
		}),
	)
	f, err := New(Options{Client: client, Node: "one", Folder: folder, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := inBackground(func() { _ = f.Run(ctx) })
	defer func() { cancel(); <-ended }()
	finalizers := func(name string) []string {
		v, err := client.CoreV1().PersistentVolumes().Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return nil // the last finalizer was removed
		}
		return v.Finalizers
	}
	require.Eventually(t, func() bool { return len(finalizers("pvc-deleted"))+len(finalizers("pvc-retained")) == 0 }, 10*time.Second, 10*time.Millisecond)
	require.NoDirExists(t, filepath.Join(folder, "pvc-deleted"))
	for _, name := range []string{"pvc-retained", "pvc-living", "pvc-bound", "pvc-lying"} {
		require.FileExists(t, filepath.Join(folder, name, "data"))
	}
	require.Len(t, finalizers("pvc-bound"), 2)
	require.Len(t, finalizers("pvc-lying"), 1)
}

func inBackground(run func()) <-chan struct{} {
	ended := make(chan struct{})
	go func() { defer close(ended); run() }()
	return ended
}

func TestMake(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "volumes")
	v := volume(folder, "pvc-1", corev1.PersistentVolumeReclaimDelete)
	path, err := Make(folder, v)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o777), info.Mode().Perm())
	require.NoError(t, os.WriteFile(filepath.Join(path, "data"), []byte("x"), 0o600))
	require.NoError(t, os.Chmod(path, 0o750))
	_, err = Make(folder, v)
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(path, "data"))
	info, err = os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o750), info.Mode().Perm(), "what a pod has done to it stays")

	v.Spec.Local.Path = "/etc"
	_, err = Make(folder, v)
	require.ErrorContains(t, err, "volume pvc-1 does not lie in this node's folder "+folder)
}
