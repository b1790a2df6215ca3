package registry

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/endpoints/request"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func events() Definition[*corev1.Event] {
	return Definition[*corev1.Event]{
		Version: corev1.SchemeGroupVersion, Resource: "events", Singular: "event", Namespaced: true,
		ShortNames: []string{"ev"},
		New:        func() *corev1.Event { return &corev1.Event{} },
		NewList:    func() runtime.Object { return &corev1.EventList{} },
		Main: Strategy[*corev1.Event]{
			Validate: func(ctx context.Context, e *corev1.Event) field.ErrorList {
				return validation.ValidateEventCreate(e, isNewEvent(ctx))
			},
			ValidateUpdate: func(ctx context.Context, e, old *corev1.Event) field.ErrorList {
				return validation.ValidateEventUpdate(e, old, isNewEvent(ctx))
			},
			CreateOnUpdate:    true,
			GarbageCollection: rest.Unsupported,
		},
		Fields:    eventFields,
		Uncached:  true,
		Also:      []schema.GroupVersion{eventsv1.SchemeGroupVersion},
		Customize: expireEvents,
	}
}

// expireEvents gives each write of an event the same life.
func expireEvents(s *genericregistry.Store, e *Environment) error {
	seconds := uint64(max(e.EventLife.Seconds(), 1))
	s.TTLFunc = func(runtime.Object, uint64, bool) (uint64, error) { return seconds, nil }
	return nil
}

// isNewEvent tells whether the request is one of events.k8s.io, whose rules are
// stricter.
func isNewEvent(ctx context.Context) bool {
	info, ok := request.RequestInfoFrom(ctx)
	return ok && info.APIGroup == eventsv1.GroupName
}

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
