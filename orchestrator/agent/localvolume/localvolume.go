// Package localvolume keeps the folders of this node's volumes of the class
// local-path: it makes one when a pod first mounts the volume, and removes it
// when the volume is deleted and its reclaim policy says so. Until then the
// volume's finalizer keeps the object, so that no folder is forgotten.
package localvolume

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
	"github.com/lubberline/lubberline/orchestrator/storageclass"
)

// Options is what the folders are kept with.
type Options struct {
	// Client may list and update this node's volumes.
	Client kubernetes.Interface
	Node   string
	// Folder is the one below which they lie.
	Folder     string
	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
}

// Folders are those of one node.
type Folders struct {
	o       Options
	volumes cache.SharedIndexInformer
	loop    *reconcile.Loop
}

// New makes a watch of the node's own volumes; nothing runs yet.
func New(o Options) (*Folders, error) {
	factory := informers.NewSharedInformerFactoryWithOptions(o.Client, 0, informers.WithTweakListOptions(func(options *metav1.ListOptions) {
		options.LabelSelector = labels.Set{storageclass.NodeLabel: o.Node}.String()
	}))
	f := &Folders{o: o, volumes: factory.Core().V1().PersistentVolumes().Informer()}
	var err error
	f.loop, err = reconcile.New(reconcile.Options{
		Name: "localvolume", Reconcile: f.reconcile, Workers: 1, Caches: []reconcile.Cache{f.volumes},
		Logger: o.Logger, Registerer: o.Registerer,
	})
	if err != nil {
		return nil, err
	}
	_, err = f.volumes.AddEventHandler(reconcile.Handler(func(_, current *corev1.PersistentVolume) {
		if current != nil && current.DeletionTimestamp != nil {
			f.loop.Add(current.Name)
		}
	}))
	return f, err
}

// Run works until ctx ends.
func (f *Folders) Run(ctx context.Context) error {
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		f.volumes.Run(ctx.Done())
	}()
	err := f.loop.Run(ctx)
	<-watched
	if ctx.Err() != nil {
		return nil //nolint:nilerr // it was ended
	}
	return err
}

// reconcile removes the folder of a volume that is being deleted, once no claim
// is bound to it.
func (f *Folders) reconcile(ctx context.Context, name string) error {
	o, exists, err := f.volumes.GetIndexer().GetByKey(name)
	if err != nil || !exists {
		return err
	}
	volume, ok := o.(*corev1.PersistentVolume)
	if !ok || volume.DeletionTimestamp == nil || !slices.Equal(volume.Finalizers, []string{storageclass.FolderFinalizer}) {
		return nil
	}
	if volume.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete {
		path, err := f.path(volume)
		if err != nil {
			return err
		}
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove the folder of volume %s: %w", name, err)
		}
		f.o.Logger.Info("removed the folder of a deleted volume", "volume", name, "folder", path)
	}
	volume = volume.DeepCopy()
	volume.Finalizers = nil
	_, err = f.o.Client.CoreV1().PersistentVolumes().Update(ctx, volume, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func (f *Folders) path(volume *corev1.PersistentVolume) (string, error) {
	return Path(f.o.Folder, volume)
}

// IsOurs says whether a volume is a folder that this package keeps.
func IsOurs(volume *corev1.PersistentVolume) bool {
	return volume.Annotations[storageclass.ProvisionedBy] == storageclass.LocalPathProvisioner && volume.Spec.Local != nil
}

// Path is where a volume's folder lies. What the object says is not trusted
// further than that: it must be the one named like the volume.
func Path(folder string, volume *corev1.PersistentVolume) (string, error) {
	path := filepath.Join(folder, volume.Name)
	if volume.Spec.Local == nil || volume.Spec.Local.Path != path || filepath.Dir(path) != filepath.Clean(folder) {
		return "", fmt.Errorf("volume %s does not lie in this node's folder %s", volume.Name, folder)
	}
	return path, nil
}

// Make makes a volume's folder unless it is there. Any user may write in it, as
// pods run as any; the folder above is closed to others.
func Make(folder string, volume *corev1.PersistentVolume) (string, error) {
	path, err := Path(folder, volume)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(folder, 0o710); err != nil {
		return "", err
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		if os.IsExist(err) {
			return path, nil
		}
		return "", err
	}
	return path, os.Chmod(path, 0o777) // whatever the umask
}
