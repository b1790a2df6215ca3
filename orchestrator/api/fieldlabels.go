package api

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// involved are the selectable fields of the object that an event is about.
var involved = []string{"kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"}

// fieldLabels are the fields, beside metadata.name and metadata.namespace, that
// a field selector may name. The stores offer the same (registry's Fields).
func fieldLabels() map[schema.GroupVersionKind][]string {
	core := corev1.SchemeGroupVersion.WithKind
	return map[schema.GroupVersionKind][]string{
		core("Pod"): {
			"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
			"status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName",
		},
		core("Node"):                  {"spec.unschedulable"},
		core("ReplicationController"): {"status.replicas"},
		core("Namespace"):             {"status.phase", "name"},
		core("Secret"):                {"type"},
		core("Service"):               {"spec.clusterIP", "spec.type"},
		{Group: "apps", Version: "v1", Kind: "ReplicaSet"}: {"status.replicas"},
	}
}

func addFieldLabels(s *runtime.Scheme) error {
	for gvk, labels := range fieldLabels() {
		labels = append(labels, "metadata.name", "metadata.namespace")
		err := s.AddFieldLabelConversionFunc(gvk, func(label, value string) (string, string, error) {
			if !slices.Contains(labels, label) {
				return "", "", fmt.Errorf("field label not supported: %s", label)
			}
			return label, value, nil
		})
		if err != nil {
			return err
		}
	}
	return addEventLabels(s)
}

// addEventLabels maps the names that events have in their two groups to those
// of the one form they are stored in.
func addEventLabels(s *runtime.Scheme) error {
	core := map[string]string{
		"metadata.name": "metadata.name", "metadata.namespace": "metadata.namespace",
		"reason": "reason", "type": "type", "source": "source", "reportingComponent": "reportingComponent",
	}
	events := map[string]string{
		"metadata.name": "metadata.name", "metadata.namespace": "metadata.namespace",
		"reason": "reason", "type": "type", "reportingController": "reportingComponent",
	}
	for _, field := range involved {
		core["involvedObject."+field] = "involvedObject." + field
		events["regarding."+field] = "involvedObject." + field
	}
	if err := s.AddFieldLabelConversionFunc(corev1.SchemeGroupVersion.WithKind("Event"), renamed(core)); err != nil {
		return err
	}
	return s.AddFieldLabelConversionFunc(eventsv1.SchemeGroupVersion.WithKind("Event"), renamed(events))
}

func renamed(names map[string]string) runtime.FieldLabelConversionFunc {
	return func(label, value string) (string, string, error) {
		name, known := names[label]
		if !known {
			return "", "", fmt.Errorf("field label not supported: %s", label)
		}
		return name, value, nil
	}
}
