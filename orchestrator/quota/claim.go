package quota

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	quotav1 "k8s.io/apiserver/pkg/quota/v1"
	"k8s.io/component-helpers/storage/volume"
	"k8s.io/utils/ptr"
)

const (
	countClaims corev1.ResourceName = "count/persistentvolumeclaims"
	// classInfix stands between a storage class and what a quota limits of it:
	// gold.storageclass.storage.k8s.io/requests.storage.
	classInfix = ".storageclass.storage.k8s.io/"
)

func claims(lister quotav1.ListerForResourceFunc) quotav1.Evaluator {
	e := newEvaluator(lister, "persistentvolumeclaims")
	e.handles = handlesClaim
	e.names = claimNames
	e.inScope = claimInScope
	e.usage = func(item runtime.Object) (corev1.ResourceList, error) {
		claim, ok := item.(*corev1.PersistentVolumeClaim)
		if !ok {
			return nil, unexpected("persistent volume claim", item)
		}
		return claimUsage(claim), nil
	}
	return e
}

func handlesClaim(a admission.Attributes) bool {
	switch a.GetSubresource() {
	case "":
		return a.GetOperation() == admission.Create || a.GetOperation() == admission.Update
	case "status":
		claim, ok := a.GetObject().(*corev1.PersistentVolumeClaim)
		old, okOld := a.GetOldObject().(*corev1.PersistentVolumeClaim)
		return ok && okOld && claimChanges(old, claim)
	}
	return false
}

// claimChanges reports whether a claim's status moves what it is charged for.
func claimChanges(old, claim *corev1.PersistentVolumeClaim) bool {
	return old.Status.AllocatedResources.Storage().Cmp(*claim.Status.AllocatedResources.Storage()) != 0 ||
		!slices.Equal(attributeClasses(old), attributeClasses(claim))
}

func claimNames(input []corev1.ResourceName) []corev1.ResourceName {
	names := []corev1.ResourceName{}
	for _, n := range input {
		_, ofClass, found := strings.Cut(string(n), classInfix)
		if n == countClaims || isClaimResource(n) || found && isClaimResource(corev1.ResourceName(ofClass)) {
			names = append(names, n)
		}
	}
	return names
}

func isClaimResource(n corev1.ResourceName) bool {
	return n == corev1.ResourcePersistentVolumeClaims || n == corev1.ResourceRequestsStorage
}

func claimUsage(c *corev1.PersistentVolumeClaim) corev1.ResourceList {
	one := *resource.NewQuantity(1, resource.DecimalSI)
	usage := corev1.ResourceList{countClaims: one, corev1.ResourcePersistentVolumeClaims: one}
	storage, asked := claimStorage(c)
	if asked {
		usage[corev1.ResourceRequestsStorage] = storage
	}
	if class := volume.GetPersistentVolumeClaimClass(c); class != "" {
		usage[corev1.ResourceName(class+classInfix)+corev1.ResourcePersistentVolumeClaims] = one
		if asked {
			usage[corev1.ResourceName(class+classInfix)+corev1.ResourceRequestsStorage] = storage
		}
	}
	return usage
}

// claimStorage is the greater of what is asked for and what an expansion under
// way has been given, in whole bytes.
func claimStorage(c *corev1.PersistentVolumeClaim) (resource.Quantity, bool) {
	storage, asked := c.Spec.Resources.Requests[corev1.ResourceStorage]
	if !asked {
		return storage, false
	}
	if given, ok := c.Status.AllocatedResources[corev1.ResourceStorage]; ok && given.Cmp(storage) > 0 {
		storage = given
	}
	storage = storage.DeepCopy()
	storage.RoundUp(0)
	return storage, true
}

func claimInScope(s corev1.ScopedResourceSelectorRequirement, item runtime.Object) (bool, error) {
	claim, ok := item.(*corev1.PersistentVolumeClaim)
	if !ok {
		return false, unexpected("persistent volume claim", item)
	}
	if s.ScopeName != corev1.ResourceQuotaScopeVolumeAttributesClass {
		return false, nil
	}
	return selects(s, attributeClasses(claim)...)
}

func attributeClasses(c *corev1.PersistentVolumeClaim) []string {
	classes := []string{ptr.Deref(c.Spec.VolumeAttributesClassName, ""), ptr.Deref(c.Status.CurrentVolumeAttributesClassName, "")}
	if m := c.Status.ModifyVolumeStatus; m != nil {
		classes = append(classes, m.TargetVolumeAttributesClassName)
	}
	slices.Sort(classes)
	return slices.DeleteFunc(slices.Compact(classes), func(n string) bool { return n == "" })
}
