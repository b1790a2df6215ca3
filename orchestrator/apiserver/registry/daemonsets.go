package registry

import (
	"context"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func daemonSets() Definition[*appsv1.DaemonSet] {
	return Definition[*appsv1.DaemonSet]{
		Version: appsv1.SchemeGroupVersion, Resource: "daemonsets", Singular: "daemonset", Namespaced: true,
		ShortNames: []string{"ds"}, Categories: []string{"all"},
		New:     func() *appsv1.DaemonSet { return &appsv1.DaemonSet{} },
		NewList: func() runtime.Object { return &appsv1.DaemonSetList{} },
		Main: Strategy[*appsv1.DaemonSet]{
			PrepareForCreate: func(_ context.Context, d *appsv1.DaemonSet) {
				d.Status, d.Generation = appsv1.DaemonSetStatus{}, 1
				setTemplateGeneration(d, max(1, templateGeneration(d)))
			},
			Validate:         checked(validation.ValidateDaemonSetCreate),
			PrepareForUpdate: prepareDaemonSet,
			ValidateUpdate:   checkedUpdate(validation.ValidateDaemonSetUpdate),
			WarningsOnCreate: always(daemonSetWarnings),
			WarningsOnUpdate: ifRaised(daemonSetWarnings),
			ResetFields:      []string{"status"},
		},
		Status: &Strategy[*appsv1.DaemonSet]{
			PrepareForUpdate: func(_ context.Context, d, old *appsv1.DaemonSet) { d.Spec = old.Spec },
			ValidateUpdate:   checkedUpdate(validation.ValidateDaemonSetStatusUpdate),
			ResetFields:      []string{"spec"},
		},
	}
}

// prepareDaemonSet counts the changes of the template beside those of the spec.
func prepareDaemonSet(_ context.Context, d, old *appsv1.DaemonSet) {
	d.Status = old.Status
	raise(d, old, d.Spec, old.Spec)
	generation := templateGeneration(old)
	if !equality.Semantic.DeepEqual(d.Spec.Template, old.Spec.Template) {
		generation++
	}
	setTemplateGeneration(d, generation)
}

// templateGeneration is the count in the annotation that older versions' field
// became; 0 when there is none.
func templateGeneration(d *appsv1.DaemonSet) int64 {
	n, err := strconv.ParseInt(d.Annotations[appsv1.DeprecatedTemplateGeneration], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func setTemplateGeneration(d *appsv1.DaemonSet, n int64) {
	metav1.SetMetaDataAnnotation(&d.ObjectMeta, appsv1.DeprecatedTemplateGeneration, strconv.FormatInt(n, 10))
}

func daemonSetWarnings(d *appsv1.DaemonSet) []string { return warnOfPods(&d.Spec.Template) }
