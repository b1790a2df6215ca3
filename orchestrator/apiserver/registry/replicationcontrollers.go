package registry

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
)

func replicationControllers() Definition[*corev1.ReplicationController] {
	return Definition[*corev1.ReplicationController]{
		Version: corev1.SchemeGroupVersion, Resource: "replicationcontrollers", Singular: "replicationcontroller", Namespaced: true,
		ShortNames: []string{"rc"}, Categories: []string{"all"},
		New:     func() *corev1.ReplicationController { return &corev1.ReplicationController{} },
		NewList: func() runtime.Object { return &corev1.ReplicationControllerList{} },
		Status:  &Strategy[*corev1.ReplicationController]{},
		Fields:  replicationControllerFields,
	}
}

func replicationControllerFields(rc *corev1.ReplicationController) fields.Set {
	return fields.Set{"status.replicas": strconv.Itoa(int(rc.Status.Replicas))}
}
