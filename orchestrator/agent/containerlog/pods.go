package containerlog

import (
	"fmt"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Path is where the runtime writes the log of a container that was restarted
// so often; dir is the pod's folder of logs.
func Path(dir, container string, restarts int32) string {
	return filepath.Join(dir, container, fmt.Sprintf("%d.log", restarts))
}

// OfPods lists the logs of the pods' running containers. dir gives a pod's
// folder of logs.
func OfPods(pods []*corev1.Pod, dir func(*corev1.Pod) string) (logs []Log) {
	for _, p := range pods {
		for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses, p.Status.EphemeralContainerStatuses} {
			for _, s := range list {
				if s.State.Running == nil || s.ContainerID == "" {
					continue
				}
				_, id, ok := strings.Cut(s.ContainerID, "://")
				if ok {
					logs = append(logs, Log{ContainerID: id, Path: Path(dir(p), s.Name, s.RestartCount)})
				}
			}
		}
	}
	return logs
}
