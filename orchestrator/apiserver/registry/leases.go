package registry

import (
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func leases() Definition[*coordinationv1.Lease] {
	return Definition[*coordinationv1.Lease]{
		Version: coordinationv1.SchemeGroupVersion, Resource: "leases", Singular: "lease", Namespaced: true,
		New:     func() *coordinationv1.Lease { return &coordinationv1.Lease{} },
		NewList: func() runtime.Object { return &coordinationv1.LeaseList{} },
		Main: Strategy[*coordinationv1.Lease]{
			Validate:        checked(validation.ValidateLeaseCreate),
			ValidateUpdate:  checkedUpdate(validation.ValidateLeaseUpdate),
			CreateOnUpdate:  true,
			MustHaveVersion: true,
		},
	}
}
