package defaults

import (
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// setReplicationController takes labels and selector from the template where
// the controller has none.
func setReplicationController(rc *v1.ReplicationController) {
	orNew(&rc.Spec.Replicas, 1)
	if rc.Spec.Template == nil {
		return
	}
	setTemplate(rc.Spec.Template)
	labels := rc.Spec.Template.Labels
	if labels == nil {
		return
	}
	if len(rc.Spec.Selector) == 0 {
		rc.Spec.Selector = maps.Clone(labels)
	}
	if len(rc.Labels) == 0 {
		rc.Labels = maps.Clone(labels)
	}
}

func setReplicaSet(rs *appsv1.ReplicaSet) {
	orNew(&rs.Spec.Replicas, 1)
	setTemplate(&rs.Spec.Template)
}

func setDeployment(d *appsv1.Deployment) {
	spec := &d.Spec
	orNew(&spec.Replicas, 1)
	orNew(&spec.RevisionHistoryLimit, 10)
	orNew(&spec.ProgressDeadlineSeconds, 600)
	orDefault(&spec.Strategy.Type, appsv1.RollingUpdateDeploymentStrategyType)
	if spec.Strategy.Type == appsv1.RollingUpdateDeploymentStrategyType {
		orNew(&spec.Strategy.RollingUpdate, appsv1.RollingUpdateDeployment{})
		orNew(&spec.Strategy.RollingUpdate.MaxUnavailable, intstr.FromString("25%"))
		orNew(&spec.Strategy.RollingUpdate.MaxSurge, intstr.FromString("25%"))
	}
	setTemplate(&spec.Template)
}

func setDaemonSet(d *appsv1.DaemonSet) {
	spec := &d.Spec
	orNew(&spec.RevisionHistoryLimit, 10)
	orDefault(&spec.UpdateStrategy.Type, appsv1.RollingUpdateDaemonSetStrategyType)
	if spec.UpdateStrategy.Type == appsv1.RollingUpdateDaemonSetStrategyType {
		orNew(&spec.UpdateStrategy.RollingUpdate, appsv1.RollingUpdateDaemonSet{})
		orNew(&spec.UpdateStrategy.RollingUpdate.MaxUnavailable, intstr.FromInt32(1))
		orNew(&spec.UpdateStrategy.RollingUpdate.MaxSurge, intstr.FromInt32(0))
	}
	setTemplate(&spec.Template)
}
