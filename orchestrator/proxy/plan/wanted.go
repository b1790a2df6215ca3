package plan

import (
	"slices"
	"strings"
)

// Wanted is the table that all services want together. It is not safe for
// concurrent use.
type Wanted struct {
	plans  map[string]*Plan  // by service
	values map[Item]string   // what holds
	claims map[Item][]string // services, of contested items that more than one wants
	single map[Item]string   // the service of a contested item that one wants
	users  map[Item]int      // services that want an item, of the others
}

// NewWanted is a table that nobody wants anything of.
func NewWanted() *Wanted {
	return &Wanted{plans: map[string]*Plan{}, values: map[Item]string{}, claims: map[Item][]string{}, single: map[Item]string{}, users: map[Item]int{}}
}

// Changes are items whose value has changed, with the value from before; nil is
// for what was not there.
type Changes map[Item]*string

// note keeps the oldest value: changes that are collected over several steps
// tell from where the first began.
func (c Changes) note(i Item, before *string) {
	if _, known := c[i]; !known {
		c[i] = before
	}
}

// Values are the items that hold. They must not be changed.
func (w *Wanted) Values() map[Item]string { return w.values }

// Value is an item's, nil when it is not wanted.
func (w *Wanted) Value(i Item) *string {
	if v, ok := w.values[i]; ok {
		return &v
	}
	return nil
}

// Plan is what the service wants, nil when it is not known.
func (w *Wanted) Plan(service string) *Plan { return w.plans[service] }

// Plans are all services' plans. They must not be changed.
func (w *Wanted) Plans() map[string]*Plan { return w.plans }

// Set takes a service's plan in place of the one before; nil forgets it. What
// changes by it is added to changes. The cost is that of the service's own items.
func (w *Wanted) Set(service string, p *Plan, changes Changes) {
	old := w.plans[service]
	if p == nil {
		delete(w.plans, service)
		p = &Plan{}
	} else {
		w.plans[service] = p
	}
	if old == nil {
		old = &Plan{}
	}
	moved := old.Precedence != p.Precedence // with it every claim
	for i := range old.Items {
		if _, still := p.Items[i]; !still {
			w.leave(i, service, changes)
		}
	}
	for i, value := range p.Items {
		before, had := old.Items[i]
		if had && !moved && before == value {
			continue
		}
		if !contested(i) {
			if !had {
				w.users[i]++
			}
			w.put(i, &value, changes)
			continue
		}
		if !had {
			w.claim(i, service)
		}
		w.put(i, w.ownersValue(i), changes)
	}
}

// leave takes back what a service wanted.
func (w *Wanted) leave(i Item, service string, changes Changes) {
	if contested(i) {
		w.unclaim(i, service)
		w.put(i, w.ownersValue(i), changes)
		return
	}
	if w.users[i]--; w.users[i] == 0 {
		delete(w.users, i)
		w.put(i, nil, changes)
	}
}

// put makes the value hold; nil is for what is not there.
func (w *Wanted) put(i Item, value *string, changes Changes) {
	before := w.Value(i)
	switch {
	case value == nil && before == nil, value != nil && before != nil && *value == *before:
	case value == nil:
		changes.note(i, before)
		delete(w.values, i)
	default:
		changes.note(i, before)
		w.values[i] = *value
	}
}

func (w *Wanted) claim(i Item, service string) {
	if many, ok := w.claims[i]; ok {
		w.claims[i] = append(many, service)
		return
	}
	if first, ok := w.single[i]; ok {
		delete(w.single, i)
		w.claims[i] = []string{first, service}
		return
	}
	w.single[i] = service
}

func (w *Wanted) unclaim(i Item, service string) {
	many, ok := w.claims[i]
	if !ok {
		delete(w.single, i)
		return
	}
	many = slices.DeleteFunc(many, func(s string) bool { return s == service })
	if len(many) > 1 {
		w.claims[i] = many
		return
	}
	delete(w.claims, i)
	w.single[i] = many[0]
}

// ownersValue is what the service that has the item wants of it.
func (w *Wanted) ownersValue(i Item) *string {
	owner := w.owner(i)
	if owner == "" {
		return nil
	}
	value := w.plans[owner].Items[i]
	return &value
}

// owner is the service that has a contested item, "" when nobody wants it.
func (w *Wanted) owner(i Item) string {
	many, ok := w.claims[i]
	if !ok {
		return w.single[i]
	}
	return slices.MinFunc(many, func(a, b string) int {
		return strings.Compare(w.plans[a].Precedence, w.plans[b].Precedence)
	})
}

// contested says whether services may want different things of the item. The
// others are a service's own, or say by their name all that they are.
func contested(i Item) bool { return i.Kind == MapElement }

// Clashes are the frontends that a service wants and another one has, with that
// one.
func (w *Wanted) Clashes(service string) map[string]string {
	var found map[string]string
	p := w.plans[service]
	if p == nil {
		return nil
	}
	for i := range p.Items {
		if i.Kind != MapElement || (i.Name != MapServices && i.Name != MapNodePorts) {
			continue
		}
		if _, many := w.claims[i]; !many {
			continue
		}
		if owner := w.owner(i); owner != service {
			if found == nil {
				found = map[string]string{}
			}
			found[i.Key] = owner
		}
	}
	return found
}
