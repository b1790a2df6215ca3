package rules

import (
	"fmt"
	"slices"
	"time"

	"github.com/lubberline/lubberline/catalog"
)

// HeapsterRule is a condition on Heapster's figures as InfluxDB has them: a
// figure, or two of which the first is divided by the second.
type HeapsterRule struct {
	Kind   catalog.ObjectKind
	Figure string
	// Over is what Figure is divided by, empty for none.
	Over string
	// By are the tags that tell the objects apart.
	By []string
	// Growth, when not 0, takes the growth of the figure over that time instead
	// of its mean.
	Growth time.Duration
	// When is the condition; the zero value is the rule's own.
	When Condition
	// Silence fires for an object that had the figure within an hour and has it no
	// more.
	Silence bool
	// Of, Says and Unit, where set, are in place of the rule's own.
	Of   *Object
	Says string
	Unit catalog.Unit
}

// heapsterTags tell the objects of a kind apart on points in InfluxDB.
func heapsterTags(kind catalog.ObjectKind) []string {
	switch kind {
	case catalog.Node:
		return []string{"nodename"}
	case catalog.Pod:
		return []string{"namespace_name", "pod_name", "nodename"}
	case catalog.PodContainer:
		return []string{"namespace_name", "pod_name", "container_name", "nodename"}
	case catalog.Namespace:
		return []string{"namespace_name"}
	default:
		return nil
	}
}

func figure(kind catalog.ObjectKind, name string) *HeapsterRule {
	if _, ok := catalog.LookupHeapster(name); !ok {
		panic(fmt.Sprintf("BUG: rules: the catalog has no figure %q", name))
	}
	return &HeapsterRule{Kind: kind, Figure: name, By: heapsterTags(kind)}
}

func ratio(kind catalog.ObjectKind, name, over string) *HeapsterRule {
	r := figure(kind, name)
	r.Over = figure(kind, over).Figure
	return r
}

func growth(kind catalog.ObjectKind, name string, window time.Duration) *HeapsterRule {
	r := figure(kind, name)
	r.Growth = window
	return r
}

// by adds tags that tell values of one object apart.
func (h *HeapsterRule) by(tags ...string) *HeapsterRule {
	h.By = slices.Concat(h.By, tags)
	return h
}

// when sets a condition of its own.
func (h *HeapsterRule) when(c Condition) *HeapsterRule {
	h.When = c
	return h
}

// says sets what is said of the value.
func (h *HeapsterRule) says(text string, unit catalog.Unit) *HeapsterRule {
	h.Says, h.Unit = text, unit
	return h
}

// of sets what the alert is about.
func (h *HeapsterRule) of(o *Object) *HeapsterRule {
	h.Of = o
	return h
}
