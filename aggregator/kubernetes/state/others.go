package state

import (
	v1 "k8s.io/api/core/v1"
)

// Namespace emits everything about a namespace.
func Namespace(emit Emit, ns *v1.Namespace) {
	emit = emit.with("namespace", ns.Name)
	emit.time("kube_namespace_created", &ns.CreationTimestamp)
	emit.labels("kube_namespace_labels", ns.Labels)
	emit.choice("kube_namespace_status_phase", "phase", string(ns.Status.Phase), "Active", "Terminating")
}

// Service emits everything about a service.
func Service(emit Emit, s *v1.Service) {
	emit = emit.with("namespace", s.Namespace, "service", s.Name)
	balancer := ""
	for _, ingress := range s.Status.LoadBalancer.Ingress {
		balancer = ingress.IP
	}
	emit.one("kube_service_info", "uid", string(s.UID), "cluster_ip", s.Spec.ClusterIP,
		"external_name", s.Spec.ExternalName, "load_balancer_ip", balancer)
	emit.time("kube_service_created", &s.CreationTimestamp)
	emit.labels("kube_service_labels", s.Labels)
	emit.one("kube_service_spec_type", "type", string(s.Spec.Type))
}

// PersistentVolume emits everything about a volume.
func PersistentVolume(emit Emit, pv *v1.PersistentVolume) {
	emit = emit.with("persistentvolume", pv.Name)
	host, local := "", ""
	if pv.Spec.HostPath != nil {
		host = pv.Spec.HostPath.Path
	}
	if pv.Spec.Local != nil {
		local = pv.Spec.Local.Path
	}
	emit.one("kube_persistentvolume_info", "storageclass", pv.Spec.StorageClassName, "host_path", host, "local_path", local)
	if size, ok := pv.Spec.Capacity[v1.ResourceStorage]; ok {
		emit("kube_persistentvolume_capacity_bytes", size.AsApproximateFloat64())
	}
	emit.choice("kube_persistentvolume_status_phase", "phase", string(pv.Status.Phase), "Pending", "Available", "Bound", "Released", "Failed")
}

// PersistentVolumeClaim emits everything about a claim.
func PersistentVolumeClaim(emit Emit, pvc *v1.PersistentVolumeClaim) {
	emit = emit.with("namespace", pvc.Namespace, "persistentvolumeclaim", pvc.Name)
	class := ""
	if pvc.Spec.StorageClassName != nil {
		class = *pvc.Spec.StorageClassName
	}
	emit.one("kube_persistentvolumeclaim_info", "storageclass", class, "volumename", pvc.Spec.VolumeName)
	if size, ok := pvc.Spec.Resources.Requests[v1.ResourceStorage]; ok {
		emit("kube_persistentvolumeclaim_resource_requests_storage_bytes", size.AsApproximateFloat64())
	}
	emit.choice("kube_persistentvolumeclaim_status_phase", "phase", string(pvc.Status.Phase), "Pending", "Bound", "Lost")
}

// ResourceQuota emits a quota's limits and what is used of them.
func ResourceQuota(emit Emit, q *v1.ResourceQuota) {
	emit = emit.with("namespace", q.Namespace, "resourcequota", q.Name)
	emit.time("kube_resourcequota_created", &q.CreationTimestamp)
	for kind, list := range map[string]v1.ResourceList{"hard": q.Status.Hard, "used": q.Status.Used} {
		for name, quantity := range list {
			emit("kube_resourcequota", quantity.AsApproximateFloat64(), "resource", string(name), "type", kind)
		}
	}
}

// LimitRange emits a limit range's constraints.
func LimitRange(emit Emit, l *v1.LimitRange) {
	emit = emit.with("namespace", l.Namespace, "limitrange", l.Name)
	emit.time("kube_limitrange_created", &l.CreationTimestamp)
	for _, item := range l.Spec.Limits {
		for constraint, list := range map[string]v1.ResourceList{
			"min": item.Min, "max": item.Max, "default": item.Default,
			"defaultRequest": item.DefaultRequest, "maxLimitRequestRatio": item.MaxLimitRequestRatio,
		} {
			for name, quantity := range list {
				emit("kube_limitrange", quantity.AsApproximateFloat64(), "resource", string(name), "type", string(item.Type), "constraint", constraint)
			}
		}
	}
}
