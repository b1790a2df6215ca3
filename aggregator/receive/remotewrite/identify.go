package remotewrite

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

var (
	errNoName  = errors.New("no __name__ label")
	errNotUTF8 = errors.New("label is not UTF-8")
)

// nodeLabel is the label whose value must be NodeHeader's.
const nodeLabel = "node"

// identify returns the series' reference and the store's copy of its labels;
// for a series the store does not know, 0 and a copy of our own.
func (w *write) identify(from []label) (storage.SeriesRef, labels.Labels, error) {
	s := &w.b.scratch
	if err := w.build(from); err != nil {
		return 0, labels.EmptyLabels(), err
	}
	if w.refs != nil {
		s.builder.Overwrite(&s.labels)
		if ref, l := w.refs.GetRef(s.labels, s.labels.Hash()); ref != 0 {
			return ref, l, nil
		}
	}
	l := s.builder.Labels()
	return 0, l, validate(l)
}

// build fills the builder, sorted, without empty labels.
func (w *write) build(from []label) error {
	if len(from) > w.h.limits.Labels {
		return fmt.Errorf("%d labels: at most %d are taken", len(from), w.h.limits.Labels)
	}
	b := &w.b.scratch.builder
	b.Reset()
	sorted, previous := true, ""
	for _, l := range from {
		if len(l.name) > w.h.limits.NameBytes {
			return fmt.Errorf("label name of %d bytes, %.40q…: at most %d are taken", len(l.name), l.name, w.h.limits.NameBytes)
		}
		if len(l.value) > w.h.limits.ValueBytes {
			return fmt.Errorf("label %q has a value of %d bytes: at most %d are taken", l.name, len(l.value), w.h.limits.ValueBytes)
		}
		if l.value == "" {
			continue
		}
		if l.name == nodeLabel && w.node != "" && l.value != w.node {
			return fmt.Errorf("label node is %q, but its sender is node %q", l.value, w.node)
		}
		if l.name <= previous {
			sorted = false
		}
		previous = l.name
		b.Add(l.name, l.value)
	}
	if !sorted {
		b.Sort()
	}
	return nil
}

// validate is for new series only: what the store has was checked before.
func validate(l labels.Labels) error {
	if !l.Has(model.MetricNameLabel) {
		return errNoName
	}
	if name, twice := l.HasDuplicateLabelNames(); twice {
		return fmt.Errorf("label %q stands twice", name)
	}
	return l.Validate(func(l labels.Label) error {
		if l.Name == "" {
			return errors.New("label without a name")
		}
		if !utf8.ValidString(l.Name) || !utf8.ValidString(l.Value) {
			return fmt.Errorf("%w: %q=%q", errNotUTF8, l.Name, l.Value)
		}
		return nil
	})
}
