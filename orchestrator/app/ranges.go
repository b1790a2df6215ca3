package app

import (
	"context"
	"net/netip"
	"strings"
	"time"

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

// servicesPrefix is before the addresses and ports of services.
const servicesPrefix = "services/"

// serviceClaims is which service has which address and port, agreed on by all
// control hosts.
type serviceClaims struct{ records *store.Records }

// Claim implements registry.Claims.
func (s serviceClaims) Claim(ctx context.Context, key, owner string) (string, error) {
	return s.records.Claim(ctx, servicesPrefix+key, owner)
}

// Unclaim implements registry.Claims.
func (s serviceClaims) Unclaim(ctx context.Context, key, owner string) error {
	return s.records.Unclaim(ctx, servicesPrefix+key, owner)
}

// Owners implements registry.Claims.
func (s serviceClaims) Owners(ctx context.Context) (map[string]string, error) {
	all, err := s.records.List(ctx, servicesPrefix)
	owners := make(map[string]string, len(all))
	for _, r := range all {
		owners[strings.TrimPrefix(r.Key, servicesPrefix)] = string(r.Value)
	}
	return owners, err
}

// names are those of machines that were let in and have not registered yet.
type names struct{ records *store.Records }

// Promise implements join.Names.
func (n names) Promise(ctx context.Context, name string, machine netip.Addr, life time.Duration) (string, error) {
	return n.records.ClaimFor(ctx, "names/"+name, machine.String(), life)
}
