package registry

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/ptr"
)

func pods() Definition[*corev1.Pod] {
	d := Definition[*corev1.Pod]{
		Version: corev1.SchemeGroupVersion, Resource: "pods", Singular: "pod", Namespaced: true,
		ShortNames: []string{"po"}, Categories: []string{"all"},
		New:     func() *corev1.Pod { return &corev1.Pod{} },
		NewList: func() runtime.Object { return &corev1.PodList{} },
		Main:    podStrategy(),
		Status:  ptr.To(podStatusStrategy()),
		Fields:  podFields,
		Index:   "spec.nodeName",

		Customize: returnDeleted,
		Beside:    map[string]func(*genericregistry.Store, *Environment) rest.Storage{"bindings": newBindingsREST},
	}
	d.Subresources = map[string]func(*genericregistry.Store, *Environment) rest.Storage{
		"binding":             newBindingREST,
		"eviction":            newEvictionREST,
		"ephemeralcontainers": partOf(d, ephemeralContainersStrategy(), []any{"spec", "ephemeralContainers"}),
	}
	return d
}

func podFields(p *corev1.Pod) fields.Set {
	ips := make([]string, 0, len(p.Status.PodIPs))
	for _, ip := range p.Status.PodIPs {
		ips = append(ips, ip.IP)
	}
	ip := p.Status.PodIP
	if ip == "" && len(ips) > 0 {
		ip = ips[0]
	}
	return fields.Set{
		"spec.nodeName":            p.Spec.NodeName,
		"spec.restartPolicy":       string(p.Spec.RestartPolicy),
		"spec.schedulerName":       p.Spec.SchedulerName,
		"spec.serviceAccountName":  p.Spec.ServiceAccountName,
		"spec.hostNetwork":         strconv.FormatBool(p.Spec.HostNetwork),
		"status.phase":             string(p.Status.Phase),
		"status.podIP":             ip,
		"status.podIPs":            strings.Join(ips, ","),
		"status.nominatedNodeName": p.Status.NominatedNodeName,
	}
}
