package alerts

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lubberline/lubberline/alerts/evaluate"
)

const controllerLabel = "controller"

// kinds are the controllers whose names labels have, by the label.
var kinds = []struct{ label, kind string }{
	{"replicationcontroller", "ReplicationController"}, {"deployment", "Deployment"}, {"daemonset", "DaemonSet"},
	{"statefulset", "StatefulSet"}, {"replicaset", "ReplicaSet"}, {"job_name", "Job"},
}

// owners add the controller to alerts that have none: all alerts of a deployment
// and its pods are then one group. An alert keeps its controller until it is
// resolved, also when its pod is gone by then.
type owners struct {
	of func(namespace, pod string) string // may be nil

	mu    sync.Mutex
	known map[string]string // by the alert's own labels; of alerts that fire
}

func newOwners(of func(namespace, pod string) string) *owners {
	return &owners{of: of, known: map[string]string{}}
}

// name adds the label to the alert.
func (o *owners) name(a *evaluate.Alert) {
	if a.Labels[controllerLabel] != "" || a.Labels["namespace"] == "" {
		return
	}
	for _, k := range kinds {
		if name := a.Labels[k.label]; name != "" {
			a.Labels[controllerLabel] = k.kind + "/" + name
			return
		}
	}
	if pod := a.Labels["pod"]; pod != "" && o.of != nil {
		o.ofPod(a, pod)
	}
}

func (o *owners) ofPod(a *evaluate.Alert, pod string) {
	key := identity(a.Labels)
	o.mu.Lock()
	defer o.mu.Unlock()
	name, ok := o.known[key]
	if !ok {
		name = o.of(a.Labels["namespace"], pod)
		o.known[key] = name
	}
	if name != "" {
		a.Labels[controllerLabel] = name
	}
	if !a.EndsAt.After(time.Now()) {
		delete(o.known, key) // resolved
	}
}

// identity is a text that differs where labels do.
func identity(labels map[string]string) string {
	all := make([]string, 0, len(labels))
	for k, v := range labels {
		all = append(all, k+"\xff"+v)
	}
	slices.Sort(all)
	return strings.Join(all, "\xfe")
}
