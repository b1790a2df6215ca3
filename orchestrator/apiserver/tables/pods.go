package tables

import (
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

func (t *Tables) addPods(now func() time.Time) {
	spec, status := corev1.PodSpec{}.SwaggerDoc(), corev1.PodStatus{}.SwaggerDoc()
	add(t, now, "", "pods", []metav1.TableColumnDefinition{
		nameColumn(),
		text("Ready", "The aggregate readiness state of this pod for accepting traffic."),
		text("Status", "The aggregate status of the containers in this pod."),
		text("Restarts", "The number of times the containers in this pod have been restarted and when the last container in this pod has restarted."),
		ageColumn(),
		wide("IP", status["podIP"]),
		wide("Node", spec["nodeName"]),
		wide("Nominated Node", status["nominatedNodeName"]),
		wide("Readiness Gates", spec["readinessGates"]),
	}, podRow)
	add(t, now, "", "podtemplates", []metav1.TableColumnDefinition{
		nameColumn(),
		text("Containers", "Names of each container in the template."),
		text("Images", "Images referenced by each container in the template."),
		text("Pod Labels", "The labels for the pod template."),
	}, func(p *corev1.PodTemplate, _ time.Time) row {
		names, images := containerCells(p.Template.Spec.Containers)
		return cells(p.Name, names, images, labels.FormatLabels(p.Template.Labels))
	})
}

func podRow(pod *corev1.Pod, now time.Time) row {
	s := summarize(pod)
	restarts := strconv.Itoa(s.restarts)
	if s.restarts != 0 && !s.lastRestart.IsZero() {
		restarts = fmt.Sprintf("%d (%s ago)", s.restarts, since(s.lastRestart, now))
	}
	ip := ""
	if len(pod.Status.PodIPs) > 0 {
		ip = pod.Status.PodIPs[0].IP
	}
	r := cells(pod.Name, fmt.Sprintf("%d/%d", s.ready, s.total), s.reason, restarts,
		since(pod.CreationTimestamp, now), orNone(ip), orNone(pod.Spec.NodeName),
		orNone(pod.Status.NominatedNodeName), readinessGates(pod))
	r.conditions = endedConditions(pod.Status.Phase)
	return r
}

// endedConditions mark the row of a pod that has ended.
func endedConditions(phase corev1.PodPhase) []metav1.TableRowCondition {
	var message string
	switch phase {
	case corev1.PodSucceeded:
		message = "The pod has completed successfully."
	case corev1.PodFailed:
		message = "The pod failed."
	default:
		return nil
	}
	return []metav1.TableRowCondition{{
		Type: metav1.RowCompleted, Status: metav1.ConditionTrue, Reason: string(phase), Message: message,
	}}
}

func readinessGates(pod *corev1.Pod) string {
	if len(pod.Spec.ReadinessGates) == 0 {
		return "<none>"
	}
	open := 0
	for _, gate := range pod.Spec.ReadinessGates {
		if conditionIsTrue(pod, gate.ConditionType) {
			open++
		}
	}
	return fmt.Sprintf("%d/%d", open, len(pod.Spec.ReadinessGates))
}

func conditionIsTrue(pod *corev1.Pod, kind corev1.PodConditionType) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// containerCells are the names and the images of containers, by comma.
func containerCells(containers []corev1.Container) (names, images string) {
	for i, c := range containers {
		if i > 0 {
			names, images = names+",", images+","
		}
		names, images = names+c.Name, images+c.Image
	}
	return names, images
}
