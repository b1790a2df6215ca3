package app

import (
	"context"
	"net/netip"
	"strings"

	"github.com/lubberline/lubberline/orchestrator/store"
)

// rangesPrefix is before the ranges of pod addresses, whose records have the
// name of the node.
const rangesPrefix = "podranges/"

// podRanges is who has which range, agreed on by all control hosts.
type podRanges struct{ records *store.Records }

// Owners are the nodes by their ranges.
func (p podRanges) Owners(ctx context.Context) (map[netip.Prefix]string, error) {
	all, err := p.records.List(ctx, rangesPrefix)
	if err != nil {
		return nil, err
	}
	owners := make(map[netip.Prefix]string, len(all))
	for _, r := range all {
		if prefix, err := netip.ParsePrefix(strings.TrimPrefix(r.Key, rangesPrefix)); err == nil {
			owners[prefix] = string(r.Value)
		}
	}
	return owners, nil
}

// Claim gives the range to the node, unless somebody has it, and returns who
// has.
func (p podRanges) Claim(ctx context.Context, prefix netip.Prefix, node string) (owner string, err error) {
	return p.records.Claim(ctx, rangesPrefix+prefix.String(), node)
}

// Release gives the range back if the node has it.
func (p podRanges) Release(ctx context.Context, prefix netip.Prefix, node string) error {
	return p.records.Unclaim(ctx, rangesPrefix+prefix.String(), node)
}
