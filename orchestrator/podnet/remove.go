package podnet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"

	"sigs.k8s.io/knftables"
)

// Remove takes everything out of the kernel that a network of those pods and
// with that table has put there. What is not there is no error.
func Remove(ctx context.Context, pods netip.Prefix, table string) error {
	table = cmp.Or(table, DefaultTable)
	k := &kernel{pods: pods}
	_, errRoutes := k.replaceRoutes(nil)
	_, _, errTunnel := k.tunnel(nil)
	nft, err := knftables.New(knftables.IPv4Family, table)
	if err == nil {
		tx := nft.NewTransaction()
		tx.Add(&knftables.Table{}) // so that it can be deleted
		tx.Delete(&knftables.Table{})
		err = nft.Run(ctx, tx)
	}
	errFirewall := (&firewall{mark: table}).remove(ctx)
	if err := errors.Join(errRoutes, errTunnel, errFirewall, err); err != nil {
		return fmt.Errorf("remove the pods' network: %w", err)
	}
	return nil
}
