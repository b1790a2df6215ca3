package node

import (
	"context"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/apimachinery/lease"
	"k8s.io/utils/clock"
)

const (
	leaseSeconds  = 40
	leaseInterval = 10 * time.Second
)

// renewLease tells every ten seconds that the node lives, until ctx ends.
func (n *Node) renewLease(ctx context.Context) {
	failed := func() { n.o.Logger.Warn("node lease not renewed, trying again", "node", n.o.Name) }
	lease.NewController(clock.RealClock{}, n.o.Client, n.o.Name, leaseSeconds, failed, leaseInterval,
		n.o.Name, v1.NamespaceNodeLease, n.owned).Run(ctx)
}

// owned makes the lease go with the node.
func (n *Node) owned(l *coordinationv1.Lease) error {
	if node := n.Get(); node != nil && len(l.OwnerReferences) == 0 {
		l.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID}}
	}
	return nil
}

func (n *Node) uid() types.UID {
	if node := n.Get(); node != nil {
		return node.UID
	}
	return types.UID(n.o.Name)
}
