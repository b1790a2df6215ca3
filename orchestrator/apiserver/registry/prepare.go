package registry

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
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

// warnNoLabel tells of names that are no DNS labels, in the wording for that
// place of the name.
func warnNoLabel(name, place string) []string {
	messages := validation.IsDNS1123Label(name)
	if len(messages) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("metadata.name: this is used in %s, which can result in surprising behavior; a DNS label is recommended: %v", place, messages)}
}

// podNamesPlace is where names of those go that make pods.
const podNamesPlace = "Pod names and hostnames"
