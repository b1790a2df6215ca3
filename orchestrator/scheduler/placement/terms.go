package placement

import (
	"fmt"
	"math"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/lubberline/lubberline/orchestrator/scheduler/filter"
	"github.com/lubberline/lubberline/orchestrator/scheduler/score"
	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

// kind is what a term does with the number of pods in a domain.
type kind uint8

const (
	hardSpread kind = iota // keep to the skew
	softSpread             // fewer is better
	required               // there must be one, or this is the first of its kind
	anti                   // there must be none of those
	existing               // there must be none that keep this one away
	preferred              // more is better, or with a weight below zero fewer
)

// The skews of the spread that is wanted of every pod that has a controller or
// a service, and none of its own.
const (
	defaultHostSkew = 3
	defaultZoneSkew = 5
)

// term is one rule over the number of pods in the domains of a topology key.
type term struct {
	kind          kind
	key           string
	id            string // tells terms apart
	counter       *snapshot.Counter
	local         bool // every node is a domain of its own
	maxSkew       int32
	minDomains    int32
	self          int32 // 1: the pod itself counts
	weight        int32
	honorAffinity bool
	honorTaints   bool
	optional      bool // a missing label costs nothing

	domains map[string]int32 // index by value; not of local terms
	counts  []int32          // pods by domain
	members []int32          // nodes that count, by domain
	spread  histogram        // of hardSpread: domains by their count
	sum     int64            // pods in all domains
}

// stateless terms only score, and when local do so within the node's own
// score.
func (t *term) hard() bool { return t.kind != softSpread && t.kind != preferred }

// lowest is the count of the emptiest domain, 0 when there are too few.
func (t *term) lowest() int32 {
	if int32(t.spread.total) < t.minDomains {
		return 0
	}
	return t.spread.lowest()
}

// check judges a domain that has count pods. first says that no domain has any
// pod that the required terms ask for, and the pod itself would do.
func (t *term) check(count int32, lowest int32, first bool) filter.Verdict {
	switch t.kind {
	case hardSpread:
		return filter.CheckSkew(count, t.self, lowest, t.maxSkew)
	case required:
		if count <= 0 && !first {
			return filter.AffinityUnmet()
		}
	case anti:
		return filter.CheckAntiAffinity(count)
	case existing:
		return filter.CheckExisting(count)
	}
	return filter.Verdict{}
}

// missing judges a node without the topology label.
func (t *term) missing() filter.Verdict {
	switch t.kind {
	case hardSpread:
		return filter.MissingTopology()
	case required:
		return filter.AffinityUnmet()
	}
	return filter.Verdict{}
}

func (t *term) score(count int32) int64 {
	switch t.kind {
	case softSpread:
		return score.Spread(count, t.maxSkew)
	case preferred:
		return score.Pods(count, t.weight)
	}
	return 0
}

func (t *term) scoreMissing() int64 {
	if t.kind == softSpread && !t.optional {
		return score.NoTopology()
	}
	return 0
}

// histogram is how many domains have each count.
type histogram struct {
	domains map[int32]int
	total   int
	low     int32
	known   bool // low is right
}

func (h *histogram) change(count int32, delta int) {
	if h.domains == nil {
		h.domains = map[int32]int{}
	}
	if h.domains[count] += delta; h.domains[count] == 0 {
		delete(h.domains, count)
	}
	h.total += delta
	if delta > 0 && count <= h.low {
		h.low = count
	} else if count == h.low {
		h.known = h.known && h.domains[count] > 0
	}
}

func (h *histogram) lowest() int32 {
	if h.known {
		return h.low
	}
	h.low = math.MaxInt32
	for count := range h.domains {
		h.low = min(h.low, count)
	}
	h.known = len(h.domains) > 0
	return h.low
}

// plan is the terms of a template as the snapshot stands, their counters not
// yet acquired.
type plan struct {
	term
	live  bool
	match func(*snapshot.Template) bool
}

// plansOf lists the hard terms first, in the order in which the filters are
// tried.
func plansOf(s *snapshot.Snapshot, t *snapshot.Template) []plan {
	var plans []plan
	plans = append(plans, spreads(t, true)...)
	plans = append(plans, affinities(s, t)...)
	concerns := s.Concerns(t)
	for _, c := range concerns {
		if c.Kind == snapshot.Repels && s.Selects(&c.Term, t) {
			plans = append(plans, ofConcern(existing, c, 0))
		}
	}
	plans = append(plans, spreads(t, false)...)
	if len(t.Spread) == 0 {
		plans = append(plans, defaultSpreads(s, t)...)
	}
	for i := range t.PreferPods {
		p := byTerm(s, preferred, &t.PreferPods[i])
		p.weight = t.PreferPods[i].Weight
		plans = append(plans, p)
	}
	for _, c := range concerns {
		switch {
		case c.Kind == snapshot.Repels || !s.Selects(&c.Term, t):
		case c.Kind == snapshot.Wants:
			plans = append(plans, ofConcern(preferred, c, 1))
		default:
			plans = append(plans, ofConcern(preferred, c, c.Term.Weight))
		}
	}
	return plans
}

func ofConcern(k kind, c *snapshot.Concern, weight int32) plan {
	return plan{term: term{kind: k, key: c.Term.Key, id: "concern " + c.Key, weight: weight}, match: c.Of}
}

func byTerm(s *snapshot.Snapshot, k kind, at *snapshot.Term) plan {
	return plan{
		term:  term{kind: k, key: at.Key, id: "term " + at.ID},
		match: func(o *snapshot.Template) bool { return s.Selects(at, o) },
	}
}

// affinities: a pod that others must be near is one that all of the required
// terms select.
func affinities(s *snapshot.Snapshot, t *snapshot.Template) []plan {
	var plans []plan
	var ids []string
	for i := range t.Affinity {
		ids = append(ids, t.Affinity[i].ID)
	}
	all := func(o *snapshot.Template) bool {
		for i := range t.Affinity {
			if !s.Selects(&t.Affinity[i], o) {
				return false
			}
		}
		return true
	}
	for i := range t.Affinity {
		p := plan{term: term{kind: required, key: t.Affinity[i].Key, id: "all " + strings.Join(ids, " & ")}, match: all}
		if all(t) {
			p.self = 1
		}
		plans = append(plans, p)
	}
	for i := range t.AntiAffinity {
		plans = append(plans, byTerm(s, anti, &t.AntiAffinity[i]))
	}
	return plans
}

func spreads(t *snapshot.Template, hard bool) []plan {
	var plans []plan
	for i := range t.Spread {
		c := &t.Spread[i]
		if c.Hard != hard {
			continue
		}
		p := plan{live: true, match: func(o *snapshot.Template) bool {
			return o.Namespace == t.Namespace && !c.Selector.Empty() && c.Selector.Matches(o.Labels)
		}}
		p.term = term{
			kind: softSpread, key: c.Key, id: "spread " + c.ID, maxSkew: c.MaxSkew, minDomains: c.MinDomains,
			honorAffinity: c.HonorAffinity, honorTaints: c.HonorTaints,
		}
		if hard {
			p.kind = hardSpread
		}
		if c.Selector.Matches(t.Labels) {
			p.self = 1
		}
		plans = append(plans, p)
	}
	return plans
}

// defaultSpreads spreads the pods of one controller that the same services
// select over hosts and zones.
func defaultSpreads(s *snapshot.Snapshot, t *snapshot.Template) []plan {
	id := t.Controller
	var services []labels.Selector
	s.ServicesOf(t, func(selector labels.Selector) { services = append(services, selector) })
	if id == "" && len(services) == 0 {
		return nil
	}
	for _, selector := range services {
		id += " & " + selector.String()
	}
	match := func(o *snapshot.Template) bool {
		if o.Namespace != t.Namespace || o.Controller != t.Controller {
			return false
		}
		for _, selector := range services {
			if !selector.Matches(o.Labels) {
				return false
			}
		}
		return true
	}
	id = fmt.Sprintf("kin %s/%s", t.Namespace, id)
	return []plan{
		{live: true, match: match, term: term{kind: softSpread, key: v1.LabelHostname, id: id, maxSkew: defaultHostSkew, optional: true}},
		{live: true, match: match, term: term{kind: softSpread, key: v1.LabelTopologyZone, id: id, maxSkew: defaultZoneSkew, optional: true}},
	}
}
