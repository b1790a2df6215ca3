package join

import (
	"context"
	"fmt"
	"os"

	"k8s.io/apiserver/pkg/authentication/user"
)

// Own makes the identity of one of several control hosts, which is a node of its
// own cluster: what it ships goes where all nodes ship to. The signer is its own
// authority, so it may do everything with the others, as it may alone.
func Own(ctx context.Context, o Options, f Facts, signer Signer) (*Identity, error) {
	o.complete()
	i := newIdentity(o, f)
	i.authority = signer.CA()
	i.issue = func(_ context.Context, r Request) (*Answer, error) {
		answer, err := sign(signer, r, f.Address, user.NodesGroup, user.SystemPrivilegedGroup)
		if err == nil {
			answer.Cluster = f.Cluster
		}
		return answer, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("control host's identity: %w", err)
	}
	if err := i.obtain(ctx, "", f.Address.String()); err != nil {
		return nil, fmt.Errorf("control host's identity: %w", err)
	}
	return i, i.knowServers()
}

// UsesItself says whether the control host in use is this one: all nodes ship
// here then.
func (i *Identity) UsesItself() bool { return i.servers.order()[0] == i.Address.String() }
