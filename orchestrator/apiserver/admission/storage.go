package admission

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apiserver/pkg/admission"
	listers "k8s.io/client-go/listers/storage/v1"

	"github.com/lubberline/lubberline/orchestrator/storageclass"
)

// The finalizers that keep a volume while a claim is bound to it, and a claim
// while a pod uses it.
const (
	VolumeProtection = "kubernetes.io/pv-protection"
	ClaimProtection  = "kubernetes.io/pvc-protection"
)

// storage gives new claims the default class, and claims and volumes their
// finalizers.
type storage struct {
	*admission.Handler
	classes listers.StorageClassLister
}

var _ admission.MutationInterface = (*storage)(nil)

func newStorage(o Options) *storage {
	informer := o.Informers.Storage().V1().StorageClasses()
	s := &storage{Handler: admission.NewHandler(admission.Create), classes: informer.Lister()}
	s.SetReadyFunc(informer.Informer().HasSynced)
	return s
}

// Admit completes a new claim or volume.
func (s *storage) Admit(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	switch {
	case is(a, "persistentvolumes", ""):
		if v, ok := a.GetObject().(*corev1.PersistentVolume); ok {
			protect(&v.Finalizers, VolumeProtection)
		}
	case is(a, "persistentvolumeclaims", ""):
		if c, ok := a.GetObject().(*corev1.PersistentVolumeClaim); ok {
			protect(&c.Finalizers, ClaimProtection)
			return s.complete(a, c)
		}
	}
	return nil
}

func protect(finalizers *[]string, finalizer string) {
	if !slices.Contains(*finalizers, finalizer) {
		*finalizers = append(*finalizers, finalizer)
	}
}

func (s *storage) complete(a admission.Attributes, c *corev1.PersistentVolumeClaim) error {
	if storageclass.Names(c) {
		return nil
	}
	if !s.WaitForReady() {
		return forbid(a, "not yet ready to handle request")
	}
	classes, err := s.classes.List(labels.Everything())
	if err != nil {
		return admission.NewForbidden(a, fmt.Errorf("list storage classes: %w", err))
	}
	if class := storageclass.NewestDefault(classes); class != nil {
		c.Spec.StorageClassName = &class.Name
	}
	return nil
}
