package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/lubberline/lubberline/orchestrator/agent/containerlog"
)

func (s *Server) containerLogs(w http.ResponseWriter, r *http.Request) {
	o, err := logOptions(r.URL.Query())
	if err != nil {
		http.Error(w, fmt.Sprintf(`{"message": "Unable to decode query."}: %v`, err), http.StatusBadRequest)
		return
	}
	if err := checkLogOptions(o); err != nil {
		http.Error(w, fmt.Sprintf(`{"message": "Invalid request."}: %v`, err), http.StatusUnprocessableEntity)
		return
	}
	namespace, name, container := r.PathValue("namespace"), r.PathValue("pod"), r.PathValue("container")
	pod, ok := s.o.Pods.Pod(namespace, name)
	if !ok {
		http.Error(w, fmt.Sprintf("pod %q does not exist", name), http.StatusNotFound)
		return
	}
	if !hasContainer(pod, container) {
		http.Error(w, fmt.Sprintf("container %q not found in pod %q", container, name), http.StatusNotFound)
		return
	}
	id, err := logOf(pod, container, o.Previous)
	if err == nil {
		err = s.sendLog(w, r, pod, container, id, o)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func checkLogOptions(o *corev1.PodLogOptions) error {
	switch {
	case o.TailLines != nil && *o.TailLines < 0:
		return fmt.Errorf("tailLines: must be greater than or equal to 0")
	case o.LimitBytes != nil && *o.LimitBytes < 1:
		return fmt.Errorf("limitBytes: must be greater than 0")
	case o.SinceSeconds != nil && o.SinceTime != nil:
		return fmt.Errorf("at most one of `sinceTime` or `sinceSeconds` may be specified")
	case o.SinceSeconds != nil && *o.SinceSeconds < 1:
		return fmt.Errorf("sinceSeconds: must be greater than 0")
	}
	if o.Stream != nil {
		switch *o.Stream {
		case corev1.LogStreamAll:
		case corev1.LogStreamStdout, corev1.LogStreamStderr:
			if o.TailLines != nil {
				return fmt.Errorf("`tailLines` and specific `stream` are mutually exclusive for now")
			}
		default:
			return fmt.Errorf("invalid stream type %q", *o.Stream)
		}
	}
	return nil
}

func hasContainer(pod *corev1.Pod, name string) bool {
	for i := range pod.Spec.Containers {
		if pod.Spec.Containers[i].Name == name {
			return true
		}
	}
	for i := range pod.Spec.InitContainers {
		if pod.Spec.InitContainers[i].Name == name {
			return true
		}
	}
	for i := range pod.Spec.EphemeralContainers {
		if pod.Spec.EphemeralContainers[i].Name == name {
			return true
		}
	}
	return false
}

// logOf returns the CRI id of the container whose log is meant: the one that
// runs, or ran last, or the one before.
func logOf(pod *corev1.Pod, name string, previous bool) (id string, err error) {
	s := statusOf(pod, name)
	if s == nil {
		return "", fmt.Errorf("container %q in pod %q is not available", name, pod.Name)
	}
	last := ""
	if t := s.LastTerminationState.Terminated; t != nil {
		last = t.ContainerID
	}
	switch {
	case previous:
		if last == "" {
			return "", fmt.Errorf("previous terminated container %q in pod %q not found", name, pod.Name)
		}
		id = last
	case s.State.Running != nil:
		id = s.ContainerID
	case s.State.Terminated != nil && s.State.Terminated.ContainerID != "":
		id = s.State.Terminated.ContainerID
	case last != "":
		id = last
	case s.State.Terminated != nil || s.LastTerminationState.Terminated != nil:
		return "", fmt.Errorf("container %q in pod %q is terminated", name, pod.Name)
	default:
		return "", fmt.Errorf("container %q in pod %q is waiting to start%s", name, pod.Name, whyWaiting(s))
	}
	if _, after, ok := strings.Cut(id, "://"); ok {
		id = after
	}
	return id, nil
}

func whyWaiting(s *corev1.ContainerStatus) string {
	if s.State.Waiting == nil {
		return " - no logs yet"
	}
	switch s.State.Waiting.Reason {
	case "ErrImagePull":
		return ": image can't be pulled"
	case "ImagePullBackOff":
		return ": trying and failing to pull image"
	}
	return ": " + s.State.Waiting.Reason
}

func statusOf(pod *corev1.Pod, name string) *corev1.ContainerStatus {
	for _, list := range [][]corev1.ContainerStatus{pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses, pod.Status.EphemeralContainerStatuses} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

// sendLog returns an error only as long as nothing was sent.
func (s *Server) sendLog(w http.ResponseWriter, r *http.Request, pod *corev1.Pod, container, id string, o *corev1.PodLogOptions) error {
	status, err := s.o.Runtime.ContainerStatus(r.Context(), &runtimeapi.ContainerStatusRequest{ContainerId: id})
	if err != nil {
		return fmt.Errorf("unable to retrieve container logs for containerd://%s", id)
	}
	path := status.GetStatus().GetLogPath()
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("failed to open log file %q: %w", path, err)
	}
	out := &flusher{w: w, c: http.NewResponseController(w)}
	defer out.end()
	w.Header().Set("Content-Type", "text/plain")
	out.flush() // the client shall know that the log is there, even if it is silent
	err = containerlog.Read(r.Context(), path, readOptions(o, out), func() bool { return s.isRunning(r.Context(), pod, container, id) })
	if err != nil {
		s.o.Logger.Debug("log not read to its end", "namespace", pod.Namespace, "pod", pod.Name, "container", container, "err", err)
	}
	return nil
}

func readOptions(o *corev1.PodLogOptions, out io.Writer) containerlog.Options {
	c := containerlog.Options{Tail: -1, Timestamps: o.Timestamps, Follow: o.Follow, Stdout: out, Stderr: out}
	if o.TailLines != nil {
		c.Tail = *o.TailLines
	}
	if o.LimitBytes != nil {
		c.LimitBytes = *o.LimitBytes
	}
	if o.SinceSeconds != nil {
		c.Since = time.Now().Add(-time.Duration(*o.SinceSeconds) * time.Second)
	}
	if o.SinceTime != nil {
		c.Since = o.SinceTime.Time
	}
	if o.Stream != nil && *o.Stream == corev1.LogStreamStdout {
		c.Stderr = nil
	}
	if o.Stream != nil && *o.Stream == corev1.LogStreamStderr {
		c.Stdout = nil
	}
	return c
}

// isRunning asks the runtime only when the pod's worker says no: it may not
// have heard yet of a container that has just started.
func (s *Server) isRunning(ctx context.Context, pod *corev1.Pod, container, id string) bool {
	if now, running := s.o.Pods.ContainerID(pod.UID, container); running && now == id {
		return true
	}
	status, err := s.o.Runtime.ContainerStatus(ctx, &runtimeapi.ContainerStatusRequest{ContainerId: id})
	if err != nil {
		return false
	}
	state := status.GetStatus().GetState()
	return state == runtimeapi.ContainerState_CONTAINER_RUNNING || state == runtimeapi.ContainerState_CONTAINER_CREATED
}
