package registry

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

// raise gives a changed object the next generation when what it asks for has
// changed, so that controllers can tell which of it a status is about.
func raise(obj, old metav1.Object, spec, oldSpec any) {
	if !equality.Semantic.DeepEqual(spec, oldSpec) {
		obj.SetGeneration(old.GetGeneration() + 1)
	}
}

// checked makes a check of an object out of one that needs no context.
func checked[T runtime.Object](validate func(T) field.ErrorList) func(context.Context, T) field.ErrorList {
	return func(_ context.Context, obj T) field.ErrorList { return validate(obj) }
}

// checkedUpdate does the same of a check of a change.
func checkedUpdate[T runtime.Object](validate func(obj, old T) field.ErrorList) func(context.Context, T, T) field.ErrorList {
	return func(_ context.Context, obj, old T) field.ErrorList { return validate(obj, old) }
}

// returnDeleted makes a deletion answer with what was deleted.
func returnDeleted(s *genericregistry.Store, _ *Environment) error {
	s.ReturnDeletedObject = true
	return nil
}

// warnOfTemplate tells what is odd about the pods that a controller of that name
// would make.
func warnOfTemplate(name string, t *corev1.PodTemplateSpec) []string {
	var warnings []string
	if messages := utilvalidation.IsDNS1123Label(name); len(messages) > 0 {
		warnings = append(warnings, fmt.Sprintf("metadata.name: this is used in Pod names and hostnames, "+
			"which can result in surprising behavior; a DNS label is recommended: %v", messages))
	}
	return append(warnings, warnOfPods(t)...)
}

// warnOfPods tells what is odd about pods made of the template in a spec.
func warnOfPods(t *corev1.PodTemplateSpec) []string {
	if t == nil {
		return nil
	}
	return validation.PodTemplateWarnings(t, field.NewPath("spec", "template"))
}

// ifRaised gives the warnings about an object when what it asks for has changed.
func ifRaised[T metav1.Object](warn func(T) []string) func(context.Context, T, T) []string {
	return func(_ context.Context, obj, old T) []string {
		if obj.GetGeneration() == old.GetGeneration() {
			return nil
		}
		return warn(obj)
	}
}

// always gives the warnings about a new object.
func always[T metav1.Object](warn func(T) []string) func(context.Context, T) []string {
	return func(_ context.Context, obj T) []string { return warn(obj) }
}
