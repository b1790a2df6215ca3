package registry

import (
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
)

func events() Definition[*corev1.Event] {
	return Definition[*corev1.Event]{
		Version: corev1.SchemeGroupVersion, Resource: "events", Singular: "event", Namespaced: true,
		ShortNames: []string{"ev"},
		New:        func() *corev1.Event { return &corev1.Event{} },
		NewList:    func() runtime.Object { return &corev1.EventList{} },
		Fields:     eventFields,
		Uncached:   true, Also: []schema.GroupVersion{eventsv1.SchemeGroupVersion}, Customize: func(s *genericregistry.Store, _ *Environment) error {
			s.TTLFunc = func(runtime.Object, uint64, bool) (uint64, error) { return eventLife, nil }
			return nil
		},
	}
}

// eventLife is how long events are kept, in seconds.
const eventLife = 3600

func eventFields(e *corev1.Event) fields.Set {
	source := e.Source.Component
	if source == "" {
		source = e.ReportingController
	}
	return fields.Set{
		"involvedObject.kind":            e.InvolvedObject.Kind,
		"involvedObject.namespace":       e.InvolvedObject.Namespace,
		"involvedObject.name":            e.InvolvedObject.Name,
		"involvedObject.uid":             string(e.InvolvedObject.UID),
		"involvedObject.apiVersion":      e.InvolvedObject.APIVersion,
		"involvedObject.resourceVersion": e.InvolvedObject.ResourceVersion,
		"involvedObject.fieldPath":       e.InvolvedObject.FieldPath,
		"reason":                         e.Reason,
		"reportingComponent":             e.ReportingController,
		"source":                         source,
		"type":                           e.Type,
	}
}
