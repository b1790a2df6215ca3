package podnet

import (
	"context"
	"fmt"

	"sigs.k8s.io/knftables"
)

// DefaultTable is ours alone; other people's rules are never touched.
const DefaultTable = "lubberline-pods"

// translate gives what pods send out of the cluster the node's address. It
// replaces the whole table, in one step.
func (n *Network) translate(ctx context.Context) error {
	tx := n.nft.NewTransaction()
	tx.Add(&knftables.Table{Comment: knftables.PtrTo("traffic of pods to the world")})
	chain := &knftables.Chain{
		Name: "postrouting", Type: knftables.PtrTo(knftables.NATType), Hook: knftables.PtrTo(knftables.PostroutingHook),
		Priority: knftables.PtrTo(knftables.SNATPriority),
	}
	tx.Add(chain)
	tx.Flush(chain)
	tx.Add(&knftables.Rule{Chain: chain.Name, Rule: fmt.Sprintf(
		"ip saddr %s ip daddr != %s ip daddr != 224.0.0.0/4 oifname != %q masquerade", n.o.Own.Masked(), n.o.Pods.Masked(), n.o.Bridge)})
	if err := n.nft.Run(ctx, tx); err != nil {
		return fmt.Errorf("table %s: %w", n.o.Table, err)
	}
	return nil
}
