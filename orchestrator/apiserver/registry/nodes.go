package registry

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
)

func nodes() Definition[*corev1.Node] {
	return Definition[*corev1.Node]{
		Version: corev1.SchemeGroupVersion, Resource: "nodes", Singular: "node",
		ShortNames: []string{"no"},
		New:        func() *corev1.Node { return &corev1.Node{} },
		NewList:    func() runtime.Object { return &corev1.NodeList{} },
		Status:     &Strategy[*corev1.Node]{},
		Fields:     nodeFields,
	}
}

func nodeFields(n *corev1.Node) fields.Set {
	return fields.Set{"spec.unschedulable": strconv.FormatBool(n.Spec.Unschedulable)}
}
