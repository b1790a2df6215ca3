// Package state makes the kube_* series of a cluster's objects, in
// kube-state-metrics' names. Its functions are pure; the catalog has the table
// of what they make.
package state

import (
	"regexp"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Emit takes one sample: the metric's name, its value, and the names and values
// of its labels in turn. Labels without a value are to be left out.
type Emit func(metric string, value float64, labels ...string)

// with returns an Emit that adds the labels to each sample.
func (e Emit) with(fixed ...string) Emit {
	return func(metric string, value float64, labels ...string) {
		e(metric, value, append(labels[:len(labels):len(labels)], fixed...)...)
	}
}

// one emits the value 1, as series that only have labels do.
func (e Emit) one(metric string, labels ...string) { e(metric, 1, labels...) }

// flag emits 1 or 0.
func (e Emit) flag(metric string, is bool, labels ...string) { e(metric, number(is), labels...) }

// time emits a moment in seconds, or nothing when there is none.
func (e Emit) time(metric string, t *metav1.Time, labels ...string) {
	if t != nil && !t.IsZero() {
		e(metric, float64(t.UnixNano()/int64(time.Millisecond))/1000, labels...)
	}
}

// choice emits 1 for the value that is, and 0 for the others.
func (e Emit) choice(metric, label, is string, values ...string) {
	for _, v := range values {
		e.flag(metric, v == is, label, v)
	}
}

// condition emits 1 for the state that a condition is in, and 0 for the others.
func (e Emit) condition(metric, label string, is v1.ConditionStatus, labels ...string) {
	for _, status := range []v1.ConditionStatus{v1.ConditionTrue, v1.ConditionFalse, v1.ConditionUnknown} {
		e.flag(metric, status == is, append(labels[:len(labels):len(labels)], label, strings.ToLower(string(status)))...)
	}
}

// owners emits the owner references, or one without an owner as
// kube-state-metrics does.
func (e Emit) owners(metric string, owners []metav1.OwnerReference) {
	if len(owners) == 0 {
		e.one(metric, "owner_kind", "<none>", "owner_name", "<none>", "owner_is_controller", "<none>")
	}
	for _, o := range owners {
		controller := "false"
		if o.Controller != nil && *o.Controller {
			controller = "true"
		}
		e.one(metric, "owner_kind", o.Kind, "owner_name", o.Name, "owner_is_controller", controller)
	}
}

var notInLabelNames = regexp.MustCompile(`[^a-zA-Z0-9_]`)

// labels emits the object's labels under names that Prometheus allows. Of two
// labels that get the same name the later one in order of names stays.
func (e Emit) labels(metric string, labels map[string]string) {
	if len(labels) == 0 {
		return
	}
	named := make(map[string]string, len(labels))
	for _, name := range sortedKeys(labels) {
		named["label_"+notInLabelNames.ReplaceAllString(name, "_")] = labels[name]
	}
	pairs := make([]string, 0, 2*len(named))
	for name, value := range named {
		pairs = append(pairs, name, value)
	}
	e.one(metric, pairs...)
}

// resources emits a list of resources with their units.
func (e Emit) resources(metric string, list v1.ResourceList, labels ...string) {
	for name, quantity := range list {
		value, unit := measure(name, quantity)
		e(metric, value, append(labels[:len(labels):len(labels)], "resource", resourceName(name), "unit", unit)...)
	}
}

// resourceName is a resource's name as kube-state-metrics spells it.
func resourceName(name v1.ResourceName) string {
	return notInLabelNames.ReplaceAllString(string(name), "_")
}

// measure returns the quantity in the unit in which the resource is counted.
func measure(name v1.ResourceName, q resource.Quantity) (value float64, unit string) {
	switch {
	case name == v1.ResourceCPU:
		return q.AsApproximateFloat64(), "core"
	case name == v1.ResourceMemory, name == v1.ResourceStorage, name == v1.ResourceEphemeralStorage,
		strings.HasPrefix(string(name), v1.ResourceHugePagesPrefix), strings.HasPrefix(string(name), v1.ResourceAttachableVolumesPrefix):
		return q.AsApproximateFloat64(), "byte"
	default:
		return q.AsApproximateFloat64(), "integer"
	}
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
