package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (s *Server) pods(w http.ResponseWriter, _ *http.Request) {
	writePods(w, s.o.Pods.Pods())
}

// runningPods are those whose sandbox runs.
func (s *Server) runningPods(w http.ResponseWriter, _ *http.Request) {
	var running []*corev1.Pod
	for _, p := range s.o.Pods.Pods() {
		if _, ok := s.o.Pods.SandboxID(p.UID); ok {
			running = append(running, p)
		}
	}
	writePods(w, running)
}

func writePods(w http.ResponseWriter, pods []*corev1.Pod) {
	list := corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}, Items: make([]corev1.Pod, len(pods))}
	for i, p := range pods {
		list.Items[i] = *p
	}
	data, err := json.Marshal(list)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(data)
}

// healthz answers "ok", or which checks fail.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	names := slices.Sorted(maps.Keys(s.o.Healthy))
	if only := r.PathValue("check"); only != "" {
		if only != "ping" && s.o.Healthy[only] == nil {
			http.NotFound(w, r)
			return
		}
		names = slices.DeleteFunc(names, func(n string) bool { return n != only })
	}
	var failed []string
	for _, name := range names {
		if err := s.o.Healthy[name](); err != nil {
			failed = append(failed, fmt.Sprintf("[-]%s failed: %v", name, err))
		}
	}
	if len(failed) > 0 {
		http.Error(w, strings.Join(failed, "\n")+"\nhealthz check failed", http.StatusInternalServerError)
		return
	}
	_, _ = w.Write([]byte("ok"))
}
