package registry

import (
	"context"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func nodes() Definition[*corev1.Node] {
	return Definition[*corev1.Node]{
		Version: corev1.SchemeGroupVersion, Resource: "nodes", Singular: "node",
		ShortNames: []string{"no"},
		New:        func() *corev1.Node { return &corev1.Node{} },
		NewList:    func() runtime.Object { return &corev1.NodeList{} },
		Main: Strategy[*corev1.Node]{
			Validate:         checked(validation.ValidateNodeCreate),
			PrepareForUpdate: func(_ context.Context, n, old *corev1.Node) { n.Status = old.Status },
			ValidateUpdate:   checkedUpdate(validation.ValidateNodeUpdate),
			ResetFields:      []string{"status"},
		},
		Status: &Strategy[*corev1.Node]{
			PrepareForUpdate: func(_ context.Context, n, old *corev1.Node) { n.Spec = old.Spec },
			ValidateUpdate:   checkedUpdate(validation.ValidateNodeUpdate),
			ResetFields:      []string{"spec"},
		},
		Fields: nodeFields,
	}
}

func nodeFields(n *corev1.Node) fields.Set {
	return fields.Set{"spec.unschedulable": strconv.FormatBool(n.Spec.Unschedulable)}
}
