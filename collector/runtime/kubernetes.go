package runtime

import "strings"

// Labels that the kubelet puts on containers and sandboxes.
const (
	labelPodName       = "io.kubernetes.pod.name"
	labelPodNamespace  = "io.kubernetes.pod.namespace"
	labelPodUID        = "io.kubernetes.pod.uid"
	labelContainerName = "io.kubernetes.container.name"
	labelSandboxID     = "io.kubernetes.sandbox.id"
)

// sandboxName is the container name that Docker's kubelets give to a sandbox.
const sandboxName = "POD"

// podLabels are the labels that people gave a pod: a sandbox's, less those of
// the kubelet and its Docker adapter.
func podLabels(labels map[string]string) map[string]string {
	own := make(map[string]string, len(labels))
	for key, value := range labels {
		if !strings.HasPrefix(key, "io.kubernetes.") && !strings.HasPrefix(key, "annotation.") {
			own[key] = value
		}
	}
	return own
}
