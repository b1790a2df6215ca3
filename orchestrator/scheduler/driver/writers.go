package driver

import (
	"context"
	"hash/fnv"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// Each writer has so much work in its queue before the scheduler waits for it.
const backlog = 1024

// writers write to the API in parallel, but what concerns one pod in order.
type writers struct {
	queues []chan func(context.Context)
	ended  chan struct{}
}

func newWriters(n int) *writers {
	w := &writers{ended: make(chan struct{})}
	for range n {
		w.queues = append(w.queues, make(chan func(context.Context), backlog))
	}
	return w
}

// start runs the writers until ctx ends; what is queued then is dropped, for
// the API server's state says it all.
func (w *writers) start(ctx context.Context, running *sync.WaitGroup) {
	context.AfterFunc(ctx, func() { close(w.ended) })
	for _, queue := range w.queues {
		running.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case write := <-queue:
					write(ctx)
				}
			}
		})
	}
}

func (w *writers) do(pod types.UID, write func(context.Context)) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(pod))
	select {
	case w.queues[h.Sum32()%uint32(len(w.queues))] <- write:
	case <-w.ended:
	}
}
