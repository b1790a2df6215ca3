package registry

import (
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
)

func replicaSets() Definition[*appsv1.ReplicaSet] {
	return Definition[*appsv1.ReplicaSet]{
		Version: appsv1.SchemeGroupVersion, Resource: "replicasets", Singular: "replicaset", Namespaced: true,
		ShortNames: []string{"rs"}, Categories: []string{"all"},
		New:     func() *appsv1.ReplicaSet { return &appsv1.ReplicaSet{} },
		NewList: func() runtime.Object { return &appsv1.ReplicaSetList{} },
		Status:  &Strategy[*appsv1.ReplicaSet]{},
		Fields:  replicaSetFields,
	}
}

func replicaSetFields(rs *appsv1.ReplicaSet) fields.Set {
	return fields.Set{"status.replicas": strconv.Itoa(int(rs.Status.Replicas))}
}
