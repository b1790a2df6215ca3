package state

import (
	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// of starts the series of one controller: its label, when it was made, its labels.
func (e Emit) of(kind string, o metav1.Object) Emit {
	e = e.with("namespace", o.GetNamespace(), kind, o.GetName())
	created := o.GetCreationTimestamp()
	e.time("kube_"+kind+"_created", &created)
	e.labels("kube_"+kind+"_labels", o.GetLabels())
	e("kube_"+kind+"_metadata_generation", float64(o.GetGeneration()))
	return e
}

// desired emits the number of replicas asked for; absent means 1.
func (e Emit) desired(kind string, replicas *int32) {
	n := int32(1)
	if replicas != nil {
		n = *replicas
	}
	e("kube_"+kind+"_spec_replicas", float64(n))
}

// nextController is the annotation by which a rolling update's client remembers
// what the controller is replaced by.
const nextController = "kubectl.kubernetes.io/next-controller-id"

// ReplicationController emits everything about a replication controller.
func ReplicationController(emit Emit, rc *v1.ReplicationController) {
	const kind = "replicationcontroller"
	emit = emit.of(kind, rc)
	emit.desired(kind, rc.Spec.Replicas)
	emit.owners("kube_replicationcontroller_owner", rc.OwnerReferences)
	emit("kube_replicationcontroller_status_replicas", float64(rc.Status.Replicas))
	emit("kube_replicationcontroller_status_fully_labeled_replicas", float64(rc.Status.FullyLabeledReplicas))
	emit("kube_replicationcontroller_status_ready_replicas", float64(rc.Status.ReadyReplicas))
	emit("kube_replicationcontroller_status_available_replicas", float64(rc.Status.AvailableReplicas))
	emit("kube_replicationcontroller_status_observed_generation", float64(rc.Status.ObservedGeneration))
	if next := rc.Annotations[nextController]; next != "" {
		emit.one("lubberline_replicationcontroller_update_info", "next", next)
	}
}

// ReplicaSet emits everything about a replica set.
func ReplicaSet(emit Emit, rs *appsv1.ReplicaSet) {
	const kind = "replicaset"
	emit = emit.of(kind, rs)
	emit.desired(kind, rs.Spec.Replicas)
	emit.owners("kube_replicaset_owner", rs.OwnerReferences)
	emit("kube_replicaset_status_replicas", float64(rs.Status.Replicas))
	emit("kube_replicaset_status_fully_labeled_replicas", float64(rs.Status.FullyLabeledReplicas))
	emit("kube_replicaset_status_ready_replicas", float64(rs.Status.ReadyReplicas))
	emit("kube_replicaset_status_observed_generation", float64(rs.Status.ObservedGeneration))
}

// Deployment emits everything about a deployment.
func Deployment(emit Emit, d *appsv1.Deployment) {
	const kind = "deployment"
	emit = emit.of(kind, d)
	emit.desired(kind, d.Spec.Replicas)
	emit("kube_deployment_status_replicas", float64(d.Status.Replicas))
	emit("kube_deployment_status_replicas_ready", float64(d.Status.ReadyReplicas))
	emit("kube_deployment_status_replicas_available", float64(d.Status.AvailableReplicas))
	emit("kube_deployment_status_replicas_unavailable", float64(d.Status.UnavailableReplicas))
	emit("kube_deployment_status_replicas_updated", float64(d.Status.UpdatedReplicas))
	emit("kube_deployment_status_observed_generation", float64(d.Status.ObservedGeneration))
	emit.flag("kube_deployment_spec_paused", d.Spec.Paused)
	for _, c := range d.Status.Conditions {
		emit.condition("kube_deployment_status_condition", "status", c.Status, "condition", string(c.Type), "reason", c.Reason)
	}
	rollingUpdate(emit, d)
}

func rollingUpdate(emit Emit, d *appsv1.Deployment) {
	update := d.Spec.Strategy.RollingUpdate
	if update == nil || d.Spec.Replicas == nil {
		return
	}
	scaled := func(metric string, of *intstr.IntOrString, up bool) {
		if of == nil {
			return
		}
		if n, err := intstr.GetScaledValueFromIntOrPercent(of, int(*d.Spec.Replicas), up); err == nil {
			emit(metric, float64(n))
		}
	}
	scaled("kube_deployment_spec_strategy_rollingupdate_max_unavailable", update.MaxUnavailable, false)
	scaled("kube_deployment_spec_strategy_rollingupdate_max_surge", update.MaxSurge, true)
}

// DaemonSet emits everything about a daemon set.
func DaemonSet(emit Emit, d *appsv1.DaemonSet) {
	emit = emit.of("daemonset", d)
	s := &d.Status
	emit("kube_daemonset_status_observed_generation", float64(s.ObservedGeneration))
	emit("kube_daemonset_status_current_number_scheduled", float64(s.CurrentNumberScheduled))
	emit("kube_daemonset_status_desired_number_scheduled", float64(s.DesiredNumberScheduled))
	emit("kube_daemonset_status_number_available", float64(s.NumberAvailable))
	emit("kube_daemonset_status_number_misscheduled", float64(s.NumberMisscheduled))
	emit("kube_daemonset_status_number_ready", float64(s.NumberReady))
	emit("kube_daemonset_status_number_unavailable", float64(s.NumberUnavailable))
	emit("kube_daemonset_status_updated_number_scheduled", float64(s.UpdatedNumberScheduled))
}
