package endpoints

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lubberline/lubberline/orchestrator/controller/podevents"
	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
)

// triggers remember when the service and its pods last changed, so that what is
// written can say since when it was due. By writer, since each writes for itself.
type triggers struct {
	mu    sync.Mutex
	times map[string]map[string]time.Time // writer/service → pod, "" for the service itself
}

func newTriggers() *triggers { return &triggers{times: map[string]map[string]time.Time{}} }

// changed is the earliest of the changes since the last call; zero without any.
func (t *triggers) changed(writer string, s *corev1.Service, pods []*corev1.Pod) time.Time {
	now := map[string]time.Time{"": s.CreationTimestamp.Time}
	for _, pod := range pods {
		now[pod.Name] = podevents.ReadySince(pod).Time
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	key := writer + "/" + reconcile.Key(s)
	before := t.times[key]
	t.times[key] = now
	var earliest time.Time
	for name, at := range now {
		if at.After(before[name]) && (earliest.IsZero() || at.Before(earliest)) {
			earliest = at
		}
	}
	return earliest
}

func (t *triggers) forget(s *corev1.Service) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, writer := range []string{"endpoints", "slices"} {
		delete(t.times, writer+"/"+reconcile.Key(s))
	}
}
