package podnet

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"sigs.k8s.io/knftables"

	"github.com/lubberline/lubberline/orchestrator/netfilter"
)

// Packets pass the chains of every table, and the first that drops one has the
// last word: nothing in a table of ours can save what another's chain drops.
// The one chain that many programs share by convention is iptables' FORWARD;
// Docker and ufw have it drop what no rule of it accepts. We add a rule there, as
// its last: rules of others that drop or reject go first, only the chain's
// default is not for our pods. Other firewalls' tables are left alone and named.
const (
	sharedTable = "filter"
	sharedChain = "FORWARD"
)

// baseChain is a chain that the kernel itself calls, as nft tells of it.
type baseChain struct {
	Family string `json:"family"`
	Table  string `json:"table"`
	Name   string `json:"name"`
	Hook   string `json:"hook"`
	Policy string `json:"policy"`
}

func (c baseChain) String() string {
	return strings.Join([]string{c.Family, c.Table, c.Name}, " ")
}

func (c baseChain) isShared() bool {
	return c.Family == string(knftables.IPv4Family) && c.Table == sharedTable && c.Name == sharedChain
}

// firewall keeps what other programs drop from being pods' traffic. It is used by
// one goroutine.
type firewall struct {
	rules string // the pods' addresses, in nft's words
	mark  string // comment of our rules: the name of our own table

	seen    uint32   // generation of the kernel's rules that was looked at
	against []string // chains that drop pods' packets and are not ours to change
}

func newFirewall(n *Network) *firewall {
	return &firewall{rules: n.o.Pods.Masked().String(), mark: n.o.Table}
}

// check looks at the firewall when any rule of the kernel has changed. It
// tells whether the chains that are against us are others than before.
func (f *firewall) check(ctx context.Context) (news bool, err error) {
	generation, known := netfilter.Generation()
	if known && generation == f.seen {
		return false, nil
	}
	chains, err := forwardChains(ctx)
	if err != nil {
		return false, err
	}
	var against []string
	for _, c := range chains {
		switch {
		case c.isShared():
			if err := f.accept(ctx); err != nil {
				return false, err
			}
		case c.Policy == "drop":
			against = append(against, c.String())
		}
	}
	news = !slices.Equal(against, f.against)
	f.against, f.seen = against, generation // our own change is looked at once more
	return news, nil
}

// accept adds our rules to the shared chain, unless they are its last.
func (f *firewall) accept(ctx context.Context) error {
	nft, err := knftables.New(knftables.IPv4Family, sharedTable)
	if err != nil {
		return err
	}
	have, err := nft.ListRules(ctx, sharedChain)
	if err != nil {
		return fmt.Errorf("chain %s: %w", sharedChain, err)
	}
	wanted := []string{"ip saddr " + f.rules + " accept", "ip daddr " + f.rules + " accept"}
	if n := len(have) - len(wanted); n >= 0 && !slices.ContainsFunc(have[n:], func(r *knftables.Rule) bool { return !f.isOurs(r) }) {
		return nil
	}
	tx := nft.NewTransaction()
	f.deleteOurs(tx, have)
	for _, rule := range wanted {
		tx.Add(&knftables.Rule{Chain: sharedChain, Rule: rule, Comment: &f.mark})
	}
	if err := nft.Run(ctx, tx); err != nil {
		return fmt.Errorf("let pods' packets through %s: %w", sharedChain, err)
	}
	return nil
}

func (f *firewall) isOurs(r *knftables.Rule) bool { return r.Comment != nil && *r.Comment == f.mark }

func (f *firewall) deleteOurs(tx *knftables.Transaction, rules []*knftables.Rule) {
	for _, r := range rules {
		if f.isOurs(r) {
			tx.Delete(r)
		}
	}
}

// remove takes our rules out of the shared chain.
func (f *firewall) remove(ctx context.Context) error {
	nft, err := knftables.New(knftables.IPv4Family, sharedTable)
	if err != nil {
		return err
	}
	have, err := nft.ListRules(ctx, sharedChain)
	if knftables.IsNotFound(err) || !slices.ContainsFunc(have, f.isOurs) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("chain %s: %w", sharedChain, err)
	}
	tx := nft.NewTransaction()
	f.deleteOurs(tx, have)
	return nft.Run(ctx, tx)
}

// forwardChains are those that forwarded IPv4 packets pass, of everybody.
func forwardChains(ctx context.Context) ([]baseChain, error) {
	out, err := exec.CommandContext(ctx, "nft", "--json", "list", "chains").Output()
	if err != nil {
		return nil, fmt.Errorf("list the firewall's chains: %w", err)
	}
	return parseChains(out)
}

func parseChains(out []byte) ([]baseChain, error) {
	var list struct {
		Objects []struct {
			Chain baseChain `json:"chain"`
		} `json:"nftables"`
	}
	if err := json.Unmarshal(out, &list); err != nil {
		return nil, fmt.Errorf("read the firewall's chains: %w", err)
	}
	var chains []baseChain
	for _, o := range list.Objects {
		if o.Chain.Hook == "forward" && (o.Chain.Family == "ip" || o.Chain.Family == "inet") {
			chains = append(chains, o.Chain)
		}
	}
	return chains, nil
}
