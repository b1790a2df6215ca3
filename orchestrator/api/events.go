package api

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// addInternalEvent makes the core event the internal form of events.k8s.io's:
// both groups show the same stored objects.
func addInternalEvent(s *runtime.Scheme, internal schema.GroupVersionKind) {
	switch internal.Kind {
	case "Event":
		s.AddKnownTypeWithName(internal, &corev1.Event{})
	case "EventList":
		s.AddKnownTypeWithName(internal, &corev1.EventList{})
	}
}

func addEventConversions(s *runtime.Scheme) error {
	conversions := []struct {
		from, to any
		convert  conversion.ConversionFunc
	}{
		{(*eventsv1.Event)(nil), (*corev1.Event)(nil), func(a, b any, _ conversion.Scope) error {
			toCoreEvent(a.(*eventsv1.Event), b.(*corev1.Event))
			return nil
		}},
		{(*corev1.Event)(nil), (*eventsv1.Event)(nil), func(a, b any, _ conversion.Scope) error {
			fromCoreEvent(a.(*corev1.Event), b.(*eventsv1.Event))
			return nil
		}},
		{(*eventsv1.EventList)(nil), (*corev1.EventList)(nil), func(a, b any, _ conversion.Scope) error {
			in, out := a.(*eventsv1.EventList), b.(*corev1.EventList)
			out.ListMeta, out.Items = in.ListMeta, make([]corev1.Event, len(in.Items))
			for i := range in.Items {
				toCoreEvent(&in.Items[i], &out.Items[i])
			}
			return nil
		}},
		{(*corev1.EventList)(nil), (*eventsv1.EventList)(nil), func(a, b any, _ conversion.Scope) error {
			in, out := a.(*corev1.EventList), b.(*eventsv1.EventList)
			out.ListMeta, out.Items = in.ListMeta, make([]eventsv1.Event, len(in.Items))
			for i := range in.Items {
				fromCoreEvent(&in.Items[i], &out.Items[i])
			}
			return nil
		}},
	}
	for _, c := range conversions {
		if err := s.AddConversionFunc(c.from, c.to, c.convert); err != nil {
			return fmt.Errorf("conversion of events: %w", err)
		}
	}
	return nil
}

func toCoreEvent(in *eventsv1.Event, out *corev1.Event) {
	*out = corev1.Event{
		ObjectMeta: in.ObjectMeta, EventTime: in.EventTime, Reason: in.Reason, Type: in.Type, Action: in.Action,
		ReportingController: in.ReportingController, ReportingInstance: in.ReportingInstance,
		InvolvedObject: in.Regarding, Related: in.Related, Message: in.Note,
		Source: in.DeprecatedSource, FirstTimestamp: in.DeprecatedFirstTimestamp,
		LastTimestamp: in.DeprecatedLastTimestamp, Count: in.DeprecatedCount,
	}
	if in.Series != nil {
		out.Series = &corev1.EventSeries{Count: in.Series.Count, LastObservedTime: in.Series.LastObservedTime}
	}
}

func fromCoreEvent(in *corev1.Event, out *eventsv1.Event) {
	*out = eventsv1.Event{
		ObjectMeta: in.ObjectMeta, EventTime: in.EventTime, Reason: in.Reason, Type: in.Type, Action: in.Action,
		ReportingController: in.ReportingController, ReportingInstance: in.ReportingInstance,
		Regarding: in.InvolvedObject, Related: in.Related, Note: in.Message,
		DeprecatedSource: in.Source, DeprecatedFirstTimestamp: in.FirstTimestamp,
		DeprecatedLastTimestamp: in.LastTimestamp, DeprecatedCount: in.Count,
	}
	if in.Series != nil {
		out.Series = &eventsv1.EventSeries{Count: in.Series.Count, LastObservedTime: in.Series.LastObservedTime}
	}
}
