package tables

import (
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
)

func (t *Tables) addWorkloads(now func() time.Time) {
	t.addReplicas(now)
	t.addDeployments(now)
	t.addDaemonSets(now)
	spec, status := autoscalingv1.ScaleSpec{}.SwaggerDoc(), autoscalingv1.ScaleStatus{}.SwaggerDoc()
	add(t, now, "autoscaling", "scales", []metav1.TableColumnDefinition{
		text("Name", metav1.ObjectMeta{}.SwaggerDoc()["name"]),
		number("Desired", spec["replicas"]),
		number("Available", status["replicas"]),
		ageColumn(),
	}, func(s *autoscalingv1.Scale, now time.Time) row {
		return cells(s.Name, int64(s.Spec.Replicas), int64(s.Status.Replicas), since(s.CreationTimestamp, now))
	})
	add(t, now, "apps", "controllerrevisions", []metav1.TableColumnDefinition{
		nameColumn(),
		text("Controller", "Controller of the object"),
		text("Revision", appsv1.ControllerRevision{}.SwaggerDoc()["revision"]),
		ageColumn(),
	}, func(r *appsv1.ControllerRevision, now time.Time) row {
		return cells(r.Name, controllerName(r), r.Revision, since(r.CreationTimestamp, now))
	})
}

// templateColumns are the wide columns of everything with a pod template.
func templateColumns(selector string) []metav1.TableColumnDefinition {
	return []metav1.TableColumnDefinition{
		wide("Containers", "Names of each container in the template."),
		wide("Images", "Images referenced by each container in the template."),
		wide("Selector", selector),
	}
}

func (t *Tables) addReplicas(now func() time.Time) {
	columns := func(spec, status map[string]string) []metav1.TableColumnDefinition {
		return append([]metav1.TableColumnDefinition{
			nameColumn(),
			number("Desired", spec["replicas"]),
			number("Current", status["replicas"]),
			number("Ready", status["readyReplicas"]),
			ageColumn(),
		}, templateColumns(spec["selector"])...)
	}
	add(t, now, "", "replicationcontrollers",
		columns(corev1.ReplicationControllerSpec{}.SwaggerDoc(), corev1.ReplicationControllerStatus{}.SwaggerDoc()),
		func(rc *corev1.ReplicationController, now time.Time) row {
			var containers []corev1.Container
			if rc.Spec.Template != nil {
				containers = rc.Spec.Template.Spec.Containers
			}
			names, images := containerCells(containers)
			return cells(rc.Name, int64(ptr.Deref(rc.Spec.Replicas, 0)), int64(rc.Status.Replicas),
				int64(rc.Status.ReadyReplicas), since(rc.CreationTimestamp, now),
				names, images, labels.FormatLabels(rc.Spec.Selector))
		})
	add(t, now, "apps", "replicasets",
		columns(appsv1.ReplicaSetSpec{}.SwaggerDoc(), appsv1.ReplicaSetStatus{}.SwaggerDoc()),
		func(rs *appsv1.ReplicaSet, now time.Time) row {
			names, images := containerCells(rs.Spec.Template.Spec.Containers)
			return cells(rs.Name, int64(ptr.Deref(rs.Spec.Replicas, 0)), int64(rs.Status.Replicas),
				int64(rs.Status.ReadyReplicas), since(rs.CreationTimestamp, now),
				names, images, metav1.FormatLabelSelector(rs.Spec.Selector))
		})
}

func (t *Tables) addDeployments(now func() time.Time) {
	spec, status := appsv1.DeploymentSpec{}.SwaggerDoc(), appsv1.DeploymentStatus{}.SwaggerDoc()
	columns := append([]metav1.TableColumnDefinition{
		nameColumn(),
		text("Ready", "Number of the pod with ready state"),
		text("Up-to-date", status["updatedReplicas"]),
		text("Available", status["availableReplicas"]),
		ageColumn(),
	}, templateColumns(spec["selector"])...)
	add(t, now, "apps", "deployments", columns, func(d *appsv1.Deployment, now time.Time) row {
		names, images := containerCells(d.Spec.Template.Spec.Containers)
		selector := "<invalid>"
		if s, err := metav1.LabelSelectorAsSelector(d.Spec.Selector); err == nil {
			selector = s.String()
		}
		return cells(d.Name, fmt.Sprintf("%d/%d", d.Status.ReadyReplicas, ptr.Deref(d.Spec.Replicas, 0)),
			int64(d.Status.UpdatedReplicas), int64(d.Status.AvailableReplicas), since(d.CreationTimestamp, now),
			names, images, selector)
	})
}

func (t *Tables) addDaemonSets(now func() time.Time) {
	status := appsv1.DaemonSetStatus{}.SwaggerDoc()
	columns := append([]metav1.TableColumnDefinition{
		nameColumn(),
		number("Desired", status["desiredNumberScheduled"]),
		number("Current", status["currentNumberScheduled"]),
		number("Ready", status["numberReady"]),
		number("Up-to-date", status["updatedNumberScheduled"]),
		number("Available", status["numberAvailable"]),
		text("Node Selector", corev1.PodSpec{}.SwaggerDoc()["nodeSelector"]),
		ageColumn(),
	}, templateColumns(appsv1.DaemonSetSpec{}.SwaggerDoc()["selector"])...)
	add(t, now, "apps", "daemonsets", columns, func(d *appsv1.DaemonSet, now time.Time) row {
		names, images := containerCells(d.Spec.Template.Spec.Containers)
		s := &d.Status
		return cells(d.Name, int64(s.DesiredNumberScheduled), int64(s.CurrentNumberScheduled),
			int64(s.NumberReady), int64(s.UpdatedNumberScheduled), int64(s.NumberAvailable),
			labels.FormatLabels(d.Spec.Template.Spec.NodeSelector), since(d.CreationTimestamp, now),
			names, images, metav1.FormatLabelSelector(d.Spec.Selector))
	})
}

// controllerName is the owner as kubectl names it: daemonset.apps/web.
func controllerName(o metav1.Object) string {
	ref := metav1.GetControllerOf(o)
	if ref == nil {
		return "<none>"
	}
	gk := schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind).GroupKind()
	return strings.ToLower(gk.String()) + "/" + ref.Name
}
