// Package cluster tests clusters of several machines as people use them.
package cluster

import (
	"testing"

	"github.com/lubberline/lubberline/test/lab"
)

// fleet is a cluster of three hosts with what these tests ask it.
type fleet struct{ *lab.Fleet }

// newFleet starts the first of three hosts; on says on which network each is.
func newFleet(t *testing.T, on []int) *fleet {
	t.Helper()
	return &fleet{lab.NewFleet(t, lab.Plan{Name: "cluster", On: on})}
}
