// Package ruleset holds the kernel's table of services against the wanted one:
// it makes the table, changes single items, and finds and repairs what somebody
// else has changed. No other table is ever looked at.
package ruleset

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/knftables"

	"github.com/lubberline/lubberline/orchestrator/proxy/plan"
)

// Ruleset is the table in the kernel of the network namespace that nft works in.
// It is not safe for concurrent use.
type Ruleset struct {
	nft   knftables.Interface
	facts plan.Facts
	// unused are chains that are empty and may be removed. It is done in a
	// transaction after the one that took the last reference: some kernels see
	// the chain as used until then.
	unused map[string]struct{}
	// taken counts the transactions that the kernel has taken.
	taken uint32
}

// New makes nothing yet: Repair does.
func New(nft knftables.Interface, f plan.Facts) *Ruleset {
	return &Ruleset{nft: nft, facts: f, unused: map[string]struct{}{}}
}

// Open is the table of that name in this network namespace. The program nft must
// be installed, and the caller be allowed to change the network.
func Open(table string) (knftables.Interface, error) {
	nft, err := knftables.New(knftables.IPv4Family, table)
	if err != nil {
		return nil, fmt.Errorf("nftables: %w", err)
	}
	return nft, nil
}

// Transactions counts those that the kernel has taken: each makes a generation
// of its rules.
func (r *Ruleset) Transactions() uint32 { return r.taken }

// Apply changes the items to what is wanted. The kernel must hold the values
// that changes tell.
//
// What is new and others lead to is made before these do, in a transaction of its
// own: a packet that began under the rules from before sees what a changed
// element leads to, but a chain of the same transaction would be empty for it.
func (r *Ruleset) Apply(ctx context.Context, changes plan.Changes, w *plan.Wanted) error {
	made, rest := split(changes)
	for _, part := range []plan.Changes{made, rest} {
		tx := r.nft.NewTransaction()
		r.write(tx, part, w)
		if err := r.run(ctx, tx); err != nil {
			return fmt.Errorf("change %d items: %w", len(part), err)
		}
	}
	return nil
}

// split parts the new chains and sets from the other changes.
func split(changes plan.Changes) (made, rest plan.Changes) {
	made, rest = plan.Changes{}, make(plan.Changes, len(changes))
	for i, before := range changes {
		if before == nil && (i.Kind == plan.Chain || i.Kind == plan.AffinitySet) {
			made[i] = before
		} else {
			rest[i] = before
		}
	}
	return made, rest
}

func (r *Ruleset) run(ctx context.Context, tx *knftables.Transaction) error {
	if tx.NumOperations() == 0 {
		return nil
	}
	if err := r.nft.Run(ctx, tx); err != nil {
		return err
	}
	r.taken++
	return nil
}

// write adds what the changes need: first names that others refer to, and last
// the removal of what nobody refers to any more.
func (r *Ruleset) write(tx *knftables.Transaction, changes plan.Changes, w *plan.Wanted) {
	order := slices.SortedFunc(maps.Keys(changes), plan.CompareItems)
	each := func(kind plan.Kind, do func(i plan.Item, before, now *string)) {
		for _, i := range order {
			before, now := changes[i], w.Value(i)
			if i.Kind == kind && !equal(before, now) {
				do(i, before, now)
			}
		}
	}
	each(plan.AffinitySet, func(i plan.Item, before, now *string) {
		if now != nil {
			tx.Add(affinitySet(i.Name, *now))
		}
	})
	each(plan.Chain, func(i plan.Item, before, now *string) {
		delete(r.unused, i.Name)
		tx.Add(&knftables.Chain{Name: i.Name})
		tx.Flush(&knftables.Chain{Name: i.Name})
	})
	each(plan.Chain, func(i plan.Item, before, now *string) {
		if now == nil {
			r.unused[i.Name] = struct{}{}
			return
		}
		addRules(tx, i.Name, plan.Rules(*now))
	})
	for _, kind := range []plan.Kind{plan.MapElement, plan.SetElement} {
		each(kind, func(i plan.Item, before, now *string) {
			if before != nil {
				tx.Delete(element(i, before))
			}
		})
		each(kind, func(i plan.Item, before, now *string) {
			if now != nil {
				tx.Add(element(i, now))
			}
		})
	}
	each(plan.AffinitySet, func(i plan.Item, before, now *string) {
		if now == nil {
			tx.Delete(&knftables.Set{Name: i.Name})
		}
	})
}

func equal(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

func affinitySet(name, timeout string) *knftables.Set {
	d, err := time.ParseDuration(timeout)
	if err != nil {
		panic(fmt.Sprintf("affinity set %s: timeout %q: %v", name, timeout, err)) // the plan writes it
	}
	return &knftables.Set{
		Name: name, Type: "ipv4_addr", Timeout: &d,
		Flags: []knftables.SetFlag{knftables.DynamicFlag, knftables.TimeoutFlag},
	}
}

// addRules gives every rule a comment that tells its text: the kernel does not
// give the text back as it was.
func addRules(tx *knftables.Transaction, chain string, rules []string) {
	for _, rule := range rules {
		tx.Add(&knftables.Rule{Chain: chain, Rule: rule, Comment: knftables.PtrTo(plan.Digest(rule))})
	}
}

func stamps(rules []string) string {
	all := make([]string, len(rules))
	for i, rule := range rules {
		all[i] = plan.Digest(rule)
	}
	return strings.Join(all, "\n")
}

func element(i plan.Item, value *string) *knftables.Element {
	e := &knftables.Element{Key: strings.Split(i.Key, separator)}
	if i.Kind == plan.SetElement {
		e.Set = i.Name
		return e
	}
	e.Map, e.Value = i.Name, strings.Split(*value, separator)
	return e
}

const separator = " . "

// RemoveUnused removes chains that nothing refers to any more.
func (r *Ruleset) RemoveUnused(ctx context.Context) error {
	tx := r.nft.NewTransaction()
	for name := range r.unused {
		tx.Delete(&knftables.Chain{Name: name})
	}
	clear(r.unused) // what cannot be removed is found by the next repair
	if err := r.run(ctx, tx); err != nil {
		return fmt.Errorf("remove unused chains: %w", err)
	}
	return nil
}

// Remove takes the whole table away; that there is none is no error.
func Remove(ctx context.Context, nft knftables.Interface) error {
	tx := nft.NewTransaction()
	tx.Delete(&knftables.Table{})
	if err := nft.Run(ctx, tx); err != nil && !knftables.IsNotFound(err) {
		return fmt.Errorf("remove the table of services: %w", err)
	}
	return nil
}

// errDamaged: the table lacks a part that does not depend on services.
var errDamaged = errors.New("damaged")
