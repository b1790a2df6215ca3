package ruleset

import (
	"context"
	"fmt"

	"sigs.k8s.io/knftables"

	"github.com/lubberline/lubberline/orchestrator/proxy/plan"
)

// Repair makes the kernel hold what is wanted and tells how many items it did
// not. A table that is not there or lacks its frame is made anew, at once: no
// packet sees it half done.
//
// why is the reason that it was made anew, nil when it was not.
func (r *Ruleset) Repair(ctx context.Context, w *plan.Wanted) (repaired int, why, err error) {
	have, why := r.read(ctx)
	if why == nil {
		changes := differences(have, w)
		if why = r.Apply(ctx, changes, w); why == nil {
			return len(changes), nil, nil
		}
	}
	return len(w.Values()), why, r.build(ctx, w)
}

// build makes the table from nothing.
func (r *Ruleset) build(ctx context.Context, w *plan.Wanted) error {
	tx := r.nft.NewTransaction()
	table := &knftables.Table{Comment: knftables.PtrTo("services; kept by lubberline, changes are undone")}
	tx.Add(table)
	tx.Delete(table)
	tx.Add(table)
	for _, m := range plan.Maps() {
		tx.Add(&knftables.Map{Name: m.Name, Type: m.Type, TypeOf: m.TypeOf})
	}
	tx.Add(&knftables.Set{Name: plan.SetHairpin, Type: "ipv4_addr . ipv4_addr"})
	for _, c := range r.facts.Chains() {
		tx.Add(baseChain(c))
		addRules(tx, c.Name, c.Rules)
	}
	clear(r.unused)
	changes := make(plan.Changes, len(w.Values()))
	for i := range w.Values() {
		changes[i] = nil
	}
	r.write(tx, changes, w)
	if err := r.run(ctx, tx); err != nil {
		return fmt.Errorf("make the table of services: %w", err)
	}
	return nil
}

func baseChain(c plan.ChainSpec) *knftables.Chain {
	chain := &knftables.Chain{Name: c.Name}
	if c.Base != nil {
		chain.Type = knftables.PtrTo(knftables.BaseChainType(c.Base.Type))
		chain.Hook = knftables.PtrTo(knftables.BaseChainHook(c.Base.Hook))
		chain.Priority = knftables.PtrTo(knftables.BaseChainPriority(c.Base.Priority))
	}
	return chain
}

// differences are the items that the kernel holds otherwise than they are
// wanted, with what it holds.
func differences(have map[plan.Item]string, w *plan.Wanted) plan.Changes {
	changes := plan.Changes{}
	for i, value := range have {
		if want := w.Value(i); want == nil || value != asRead(i, *want) {
			changes[i] = &value
		}
	}
	for i := range w.Values() {
		if _, there := have[i]; !there {
			changes[i] = nil
		}
	}
	return changes
}

// asRead is a wanted value as it can be read back.
func asRead(i plan.Item, value string) string {
	switch i.Kind {
	case plan.Chain:
		return stamps(plan.Rules(value))
	case plan.AffinitySet:
		return "" // its name tells the timeout too
	default:
		return value
	}
}
