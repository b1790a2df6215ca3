package worker

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/apimachinery/pkg/types"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/lubberline/lubberline/orchestrator/agent/observed"
)

// Pauses before the runtime's events are asked for again.
const (
	firstStreamPause = 100 * time.Millisecond
	lastStreamPause  = 5 * time.Second
)

// listen wakes workers when something happens to their containers: at the
// runtime's events, and at what a list of everything shows now and then.
func (p *Pods) listen(ctx context.Context) {
	events := make(chan *cri.ContainerEventResponse, 64)
	broken := make(chan bool, 1)
	p.running.Go(func() { p.stream(ctx, events, broken) })
	interval := p.o.Relist
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-events:
			p.heard(event)
			continue
		case supported := <-broken:
			interval = p.o.Relist
			if !supported {
				interval = min(interval, withoutEvents)
			}
		case <-timer.C:
		}
		p.relist(ctx)
		timer.Reset(interval)
	}
}

// stream passes events on for as long as the runtime sends them, and begins
// anew when it stops. broken tells that events may have been missed, and
// whether the runtime has any.
func (p *Pods) stream(ctx context.Context, events chan<- *cri.ContainerEventResponse, broken chan<- bool) {
	pause := firstStreamPause
	for ctx.Err() == nil {
		start := time.Now()
		err := p.receive(ctx, events)
		unsupported := status.Code(err) == codes.Unimplemented
		select {
		case broken <- !unsupported:
		case <-ctx.Done():
		}
		if unsupported {
			return
		}
		if time.Since(start) > lastStreamPause {
			pause = firstStreamPause
		}
		p.o.Logger.Debug("runtime's events ended", "error", err, "again_in", pause)
		wait(ctx, pause)
		pause = min(2*pause, lastStreamPause)
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (p *Pods) receive(ctx context.Context, events chan<- *cri.ContainerEventResponse) error {
	stream, err := p.o.Runtime.GetContainerEvents(ctx, &cri.GetEventsRequest{})
	if err != nil {
		return err
	}
	for {
		event, err := stream.Recv()
		if err != nil {
			return err
		}
		select {
		case events <- event:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// heard wakes the pod's worker. What a start task brings about itself needs no
// wake: the task's end is one.
func (p *Pods) heard(event *cri.ContainerEventResponse) {
	p.metrics.events.Inc()
	uid := types.UID(event.GetPodSandboxStatus().GetMetadata().GetUid())
	for _, c := range event.GetContainersStatuses() {
		if uid == "" {
			uid = types.UID(c.GetLabels()[observed.LabelPodUID])
		}
	}
	p.mu.Lock()
	w := p.workers[uid]
	p.mu.Unlock()
	if w == nil {
		return
	}
	quiet := event.GetContainerEventType() == cri.ContainerEventType_CONTAINER_CREATED_EVENT ||
		event.GetContainerEventType() == cri.ContainerEventType_CONTAINER_STARTED_EVENT
	if quiet {
		return
	}
	w.post(func(m *inbox) { m.dirty = true })
}

// relist compares everything with what the workers know.
func (p *Pods) relist(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	listing, err := observed.List(ctx, p.o.Runtime)
	if err != nil {
		p.o.Logger.Debug("runtime not listed", "error", err)
		return
	}
	p.metrics.relists.Inc()
	known := make(map[types.UID]bool)
	for _, w := range p.all() {
		known[w.uid] = true
		if !listing.Same(w.uid, w.snapshot().seen) {
			w.post(func(m *inbox) { m.dirty = true })
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.synced {
		return
	}
	for uid := range listing {
		if !known[uid] && p.workers[uid] == nil {
			p.hire(uid, nil)
		}
	}
}

// hearProbes wakes the workers of pods whose probes have a new answer.
func (p *Pods) hearProbes(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case uid := <-p.o.Prober.Changed():
			p.mu.Lock()
			w := p.workers[uid]
			p.mu.Unlock()
			if w != nil {
				w.poke()
			}
		}
	}
}
