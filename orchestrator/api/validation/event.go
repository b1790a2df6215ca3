package validation

import (
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Most characters of an event's texts.
const (
	maxEventText = 128
	maxEventNote = 1024
)

// ValidateEventCreate checks a new event. One that came through events.k8s.io
// (strict) must be of the new form; core/v1 takes also what old clients send.
func ValidateEventCreate(e *v1.Event, strict bool) field.ErrorList {
	errs := validateEvent(e, strict)
	if !strict {
		return errs
	}
	errs = append(errs, validateMeta(&e.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))...)
	errs = append(errs, validateSeries(e)...)
	if e.EventTime.IsZero() {
		errs = append(errs, field.Required(field.NewPath("eventTime"), ""))
	}
	if e.Type != v1.EventTypeNormal && e.Type != v1.EventTypeWarning {
		errs = append(errs, field.Invalid(field.NewPath("type"), "", fmt.Sprintf("has invalid value: %v", e.Type)))
	}
	unset := func(set bool, name string) {
		if set {
			errs = append(errs, field.Invalid(field.NewPath(name), "", "needs to be unset"))
		}
	}
	unset(!e.FirstTimestamp.IsZero(), "firstTimestamp")
	unset(!e.LastTimestamp.IsZero(), "lastTimestamp")
	unset(e.Count != 0, "count")
	unset(e.Source != v1.EventSource{}, "source")
	return errs
}

// ValidateEventUpdate checks a changed event; through events.k8s.io (strict)
// only its series changes.
func ValidateEventUpdate(e, old *v1.Event, strict bool) field.ErrorList {
	errs := validateEvent(e, strict)
	if !strict {
		return errs
	}
	errs = append(errs, validateMetaUpdate(&e.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))...)
	if !equalSeries(e.Series, old.Series) {
		errs = append(errs, validateSeries(e)...)
	}
	for _, f := range []struct {
		name     string
		new, old any
	}{
		{"involvedObject", e.InvolvedObject, old.InvolvedObject},
		{"reason", e.Reason, old.Reason},
		{"message", e.Message, old.Message},
		{"source", e.Source, old.Source},
		{"firstTimestamp", e.FirstTimestamp, old.FirstTimestamp},
		{"lastTimestamp", e.LastTimestamp, old.LastTimestamp},
		{"count", e.Count, old.Count},
		{"type", e.Type, old.Type},
		{"eventTime", microseconds(e.EventTime), microseconds(old.EventTime)},
		{"action", e.Action, old.Action},
		{"related", e.Related, old.Related},
		{"reportingController", e.ReportingController, old.ReportingController},
		{"reportingInstance", e.ReportingInstance, old.ReportingInstance},
	} {
		errs = append(errs, validateImmutable(f.new, f.old, field.NewPath(f.name))...)
	}
	return errs
}

// microseconds drops what some encodings of a time lose.
func microseconds(t metav1.MicroTime) metav1.MicroTime {
	return metav1.NewMicroTime(t.Truncate(time.Microsecond).UTC())
}

func equalSeries(a, b *v1.EventSeries) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Count == b.Count && a.LastObservedTime.Equal(&b.LastObservedTime)
}

func validateSeries(e *v1.Event) (errs field.ErrorList) {
	if e.Series == nil {
		return nil
	}
	if e.Series.Count < 2 {
		errs = append(errs, field.Invalid(field.NewPath("series.count"), "", "should be at least 2"))
	}
	if e.Series.LastObservedTime.IsZero() {
		errs = append(errs, field.Required(field.NewPath("series.lastObservedTime"), ""))
	}
	return errs
}

// validateEvent checks what holds for every event. One with an event time is
// of the new form and needs its fields.
func validateEvent(e *v1.Event, strict bool) (errs field.ErrorList) {
	namespace := e.InvolvedObject.Namespace
	var matches bool
	switch {
	case namespace != "" && e.EventTime.IsZero():
		matches = e.Namespace == namespace
	case namespace != "":
		matches = true
	case e.EventTime.IsZero():
		matches = e.Namespace == metav1.NamespaceNone || e.Namespace == metav1.NamespaceDefault
	default:
		matches = e.Namespace == metav1.NamespaceDefault || e.Namespace == metav1.NamespaceSystem
	}
	if !matches {
		errs = append(errs, field.Invalid(field.NewPath("involvedObject", "namespace"), namespace, "does not match event.namespace"))
	}
	if !e.EventTime.IsZero() {
		errs = append(errs, validateNewEvent(e, strict)...)
	}
	return append(errs, validateDNSSubdomain(e.Namespace, field.NewPath("namespace"))...)
}

func validateNewEvent(e *v1.Event, strict bool) (errs field.ErrorList) {
	controller := field.NewPath("reportingComponent")
	if strict {
		controller = field.NewPath("reportingController")
	}
	errs = append(errs, required(controller, e.ReportingController, "")...)
	errs = append(errs, validateQualifiedName(e.ReportingController, controller)...)
	for _, f := range []struct{ name, value string }{
		{"reportingInstance", e.ReportingInstance}, {"action", e.Action}, {"reason", e.Reason},
	} {
		errs = append(errs, required(field.NewPath(f.name), f.value, "")...)
		errs = append(errs, atMost(f.name, f.value, maxEventText)...)
	}
	return append(errs, atMost("message", e.Message, maxEventNote)...)
}

func atMost(name, value string, most int) field.ErrorList {
	if len(value) <= most {
		return nil
	}
	return field.ErrorList{field.Invalid(field.NewPath(name), "", fmt.Sprintf("can have at most %v characters", most))}
}
