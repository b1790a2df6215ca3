package snapshot

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// ConcernKind is how a pod on a node bears on pods that come later.
type ConcernKind uint8

// The kinds of concerns.
const (
	Repels  ConcernKind = iota // required anti-affinity: keep away
	Wants                      // required affinity: is glad of company
	Prefers                    // preferred affinity, or below zero anti-affinity
)

// Concern is a term that pods on nodes have, whatever their templates.
type Concern struct {
	Kind ConcernKind
	Term Term
	Key  string // tells concerns apart

	templates int
}

// Concerns lists the terms that pods on nodes have, and those that the pods of
// t will have there, in a fixed order.
func (s *Snapshot) Concerns(t *Template) []*Concern {
	list := slices.Collect(maps.Values(s.concerns))
	t.eachConcern(func(kind ConcernKind, term *Term) {
		key := concernKey(kind, term)
		if !slices.ContainsFunc(list, func(c *Concern) bool { return c.Key == key }) {
			list = append(list, &Concern{Kind: kind, Term: *term, Key: key})
		}
	})
	slices.SortFunc(list, func(a, b *Concern) int { return cmp.Compare(a.Key, b.Key) })
	return list
}

// Of says whether pods of the template have the term.
func (c *Concern) Of(t *Template) bool { return slices.Contains(t.concerns, c.Key) }

func concernKey(kind ConcernKind, term *Term) string {
	return fmt.Sprintf("%d %d %s %s", kind, term.Weight, term.Key, term.ID)
}

func (t *Template) eachConcern(f func(kind ConcernKind, term *Term)) {
	for i := range t.AntiAffinity {
		f(Repels, &t.AntiAffinity[i])
	}
	for i := range t.Affinity {
		f(Wants, &t.Affinity[i])
	}
	for i := range t.PreferPods {
		f(Prefers, &t.PreferPods[i])
	}
}

// concern is called when the first pod of the template comes to a node.
func (s *Snapshot) concern(t *Template) {
	t.eachConcern(func(kind ConcernKind, term *Term) {
		key := concernKey(kind, term)
		c := s.concerns[key]
		if c == nil {
			c = &Concern{Kind: kind, Term: *term, Key: key}
			s.concerns[key] = c
			s.epoch++
		}
		c.templates++
	})
}

// unconcern is called when the last one has gone. That one concern less is
// not told: its pods are counted, and there are none.
func (s *Snapshot) unconcern(t *Template) {
	for _, key := range t.concerns {
		if c := s.concerns[key]; c != nil {
			if c.templates--; c.templates == 0 {
				delete(s.concerns, key)
			}
		}
	}
}
