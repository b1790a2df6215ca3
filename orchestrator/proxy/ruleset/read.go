package ruleset

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/knftables"

	"github.com/lubberline/lubberline/orchestrator/proxy/plan"
)

// read is what the kernel holds beside the frame, chains by their stamps. The
// error is of a frame that is not as it must be.
func (r *Ruleset) read(ctx context.Context) (map[plan.Item]string, error) {
	names, err := r.nft.ListAll(ctx)
	if err != nil {
		return nil, err
	}
	have := map[plan.Item]string{}
	if err := r.readChains(ctx, names["chain"], have); err != nil {
		return nil, err
	}
	if err := readSets(names["set"], have); err != nil {
		return nil, err
	}
	if err := r.readMaps(ctx, names["map"], have); err != nil {
		return nil, err
	}
	return have, r.readElements(ctx, plan.SetElement, plan.SetHairpin, have)
}

func (r *Ruleset) readChains(ctx context.Context, names []string, have map[plan.Item]string) error {
	rules, err := r.nft.ListRules(ctx, "")
	if err != nil {
		return err
	}
	found := make(map[string][]string, len(names))
	for _, name := range names {
		found[name] = nil
	}
	for _, rule := range rules {
		stamp := ""
		if rule.Comment != nil {
			stamp = *rule.Comment
		}
		found[rule.Chain] = append(found[rule.Chain], stamp)
	}
	for _, c := range r.facts.Chains() {
		stamped, there := found[c.Name]
		if !there || strings.Join(stamped, "\n") != stamps(c.Rules) {
			return fmt.Errorf("%w: chain %s", errDamaged, c.Name)
		}
		delete(found, c.Name)
	}
	for name, stamped := range found {
		if _, waits := r.unused[name]; !waits {
			have[plan.Item{Kind: plan.Chain, Name: name}] = strings.Join(stamped, "\n")
		}
	}
	return nil
}

func readSets(names []string, have map[plan.Item]string) error {
	if !slices.Contains(names, plan.SetHairpin) {
		return fmt.Errorf("%w: set %s", errDamaged, plan.SetHairpin)
	}
	for _, name := range names {
		if name != plan.SetHairpin {
			have[plan.Item{Kind: plan.AffinitySet, Name: name}] = ""
		}
	}
	return nil
}

func (r *Ruleset) readMaps(ctx context.Context, names []string, have map[plan.Item]string) error {
	found := map[string]struct{}{}
	for _, name := range names {
		found[name] = struct{}{}
	}
	for _, m := range plan.Maps() {
		if _, there := found[m.Name]; !there {
			return fmt.Errorf("%w: map %s", errDamaged, m.Name)
		}
		delete(found, m.Name)
		if err := r.readElements(ctx, plan.MapElement, m.Name, have); err != nil {
			return err
		}
	}
	if len(found) > 0 {
		return fmt.Errorf("%w: maps %v are not ours", errDamaged, slices.Sorted(maps.Keys(found)))
	}
	return nil
}

func (r *Ruleset) readElements(ctx context.Context, kind plan.Kind, name string, have map[plan.Item]string) error {
	list, err := List(ctx, r.nft, kind, name)
	for _, e := range list {
		have[plan.Item{Kind: kind, Name: name, Key: strings.Join(e.Key, separator)}] = strings.Join(e.Value, separator)
	}
	return err
}

// List is the elements of a map or a set in the kernel.
func List(ctx context.Context, nft knftables.Interface, kind plan.Kind, name string) ([]*knftables.Element, error) {
	what := "map"
	if kind == plan.SetElement {
		what = "set"
	}
	list, err := nft.ListElements(ctx, what, name)
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", what, name, err)
	}
	return list, nil
}
