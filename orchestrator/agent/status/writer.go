package status

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/util/workqueue"
)

// writers is how many statuses are written at the same time.
const writers = 4

// Backoff of a write that failed.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 10 * time.Second
	// callTimeout bounds one request to the API.
	callTimeout = 30 * time.Second
)

// Writer brings statuses to the API: each pod's newest only, retried until it
// is there, in the order in which they were made.
type Writer struct {
	pods    typedv1.PodsGetter
	log     *slog.Logger
	metrics *metrics
	queue   workqueue.TypedRateLimitingInterface[types.UID]

	mu sync.Mutex // guards entries and what they point to
	// entries has every pod of which something was set, until Forget.
	entries map[types.UID]*entry
}

type entry struct {
	// pod is the newest object of the API that is known, status included.
	pod  *v1.Pod
	want v1.PodStatus
	// version counts what was set, written what the API has of it.
	version, written uint64
	// finish asks for the deletion of the object once want is written.
	finish bool
	gone   bool
}

// NewWriter returns a writer; Run makes it work. registerer may be nil.
func NewWriter(pods typedv1.PodsGetter, log *slog.Logger, registerer prometheus.Registerer) (*Writer, error) {
	m, err := newMetrics(registerer)
	if err != nil {
		return nil, fmt.Errorf("pod status writer: %w", err)
	}
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[types.UID](firstRetry, lastRetry)
	return &Writer{
		pods: pods, log: log, metrics: m, entries: make(map[types.UID]*entry),
		queue: workqueue.NewTypedRateLimitingQueue(limiter),
	}, nil
}

// Run writes until ctx ends.
func (w *Writer) Run(ctx context.Context) {
	var running sync.WaitGroup
	for range writers {
		running.Go(func() {
			for w.next(ctx) {
			}
		})
	}
	<-ctx.Done()
	w.queue.ShutDown()
	running.Wait()
	w.metrics.set.Unregister()
}

// Set asks for the pod to have that status. pod is the object that the status
// was made for.
func (w *Writer) Set(pod *v1.Pod, status v1.PodStatus) {
	w.change(pod, func(e *entry) bool {
		same := e.version > 0 && equality.Semantic.DeepEqual(&e.want, &status)
		// Somebody else may have written over what was there.
		if same && (e.version > e.written || equality.Semantic.DeepEqual(&e.pod.Status, &status)) {
			return false
		}
		e.want = status
		e.version++
		return true
	})
}

// Finish asks for the pod's object to be deleted for good, after its last
// status has been written.
func (w *Writer) Finish(pod *v1.Pod) {
	w.change(pod, func(e *entry) bool {
		if e.finish {
			return false
		}
		e.finish = true
		return true
	})
}

func (w *Writer) change(pod *v1.Pod, change func(*entry) bool) {
	w.mu.Lock()
	e := w.entries[pod.UID]
	if e == nil {
		e = &entry{}
		w.entries[pod.UID] = e
	}
	if e.pod == nil || newer(pod, e.pod) {
		e.pod = pod
	}
	changed := change(e)
	w.mu.Unlock()
	if changed {
		w.queue.Add(pod.UID)
	}
}

// Forget drops what is known of a pod whose object is gone.
func (w *Writer) Forget(uid types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.entries, uid)
	w.queue.Forget(uid)
}

func (w *Writer) next(ctx context.Context) bool {
	uid, shutdown := w.queue.Get()
	if shutdown {
		return false
	}
	defer w.queue.Done(uid)
	if err := w.write(ctx, uid); err != nil && ctx.Err() == nil {
		w.metrics.failures.Inc()
		if w.queue.NumRequeues(uid) == 0 {
			w.log.Warn("pod status not written, trying again", "pod_uid", uid, "error", err)
		}
		w.queue.AddRateLimited(uid)
		return true
	}
	w.queue.Forget(uid)
	return true
}

// write brings one pod's object to what is wanted.
func (w *Writer) write(ctx context.Context, uid types.UID) error {
	w.mu.Lock()
	e := w.entries[uid]
	if e == nil || e.gone {
		w.mu.Unlock()
		return nil
	}
	pod, want, version, finish := e.pod, e.want, e.version, e.finish
	todo := e.version > e.written
	w.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if todo {
		written, err := w.patch(ctx, pod, &want)
		if err != nil {
			return w.refused(ctx, pod, err)
		}
		w.wrote(uid, version, written)
	}
	if finish {
		return w.delete(ctx, pod)
	}
	return nil
}

// refused looks whether the object still exists; if it does, the next attempt
// starts from its newest state.
func (w *Writer) refused(ctx context.Context, pod *v1.Pod, cause error) error {
	if apierrors.IsNotFound(cause) {
		w.markGone(pod.UID)
		return nil
	}
	fresh, err := w.pods.Pods(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && fresh.UID != pod.UID {
		w.markGone(pod.UID)
		return nil
	}
	if err == nil {
		w.refresh(fresh)
	}
	return fmt.Errorf("write status of pod %s/%s: %w", pod.Namespace, pod.Name, cause)
}

func (w *Writer) refresh(pod *v1.Pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := w.entries[pod.UID]; e != nil && newer(pod, e.pod) {
		e.pod = pod
	}
}

func (w *Writer) markGone(uid types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := w.entries[uid]; e != nil {
		e.gone = true
	}
}

func (w *Writer) wrote(uid types.UID, version uint64, pod *v1.Pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.entries[uid]
	if e == nil {
		return
	}
	e.written = version
	if pod != nil && newer(pod, e.pod) {
		e.pod = pod
	}
}

// patch sends the difference between the object's status and the wanted one;
// nil without a difference.
func (w *Writer) patch(ctx context.Context, pod *v1.Pod, want *v1.PodStatus) (*v1.Pod, error) {
	if equality.Semantic.DeepEqual(&pod.Status, want) {
		return nil, nil
	}
	body, err := statusPatch(pod, want)
	if err != nil || body == nil {
		return nil, err
	}
	start := time.Now()
	written, err := w.pods.Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, body, metav1.PatchOptions{}, "status")
	w.metrics.writes.Observe(time.Since(start).Seconds())
	return written, err
}

// statusPatch is the strategic merge patch from the object's status to want,
// good for that uid only; nil when there is no difference.
func statusPatch(pod *v1.Pod, want *v1.PodStatus) ([]byte, error) {
	before, err := json.Marshal(v1.Pod{Status: pod.Status})
	if err != nil {
		return nil, fmt.Errorf("encode status: %w", err)
	}
	after, err := json.Marshal(v1.Pod{ObjectMeta: metav1.ObjectMeta{UID: pod.UID}, Status: *want})
	if err != nil {
		return nil, fmt.Errorf("encode status: %w", err)
	}
	body, err := strategicpatch.CreateTwoWayMergePatch(before, after, v1.Pod{})
	if err != nil {
		return nil, fmt.Errorf("compare statuses: %w", err)
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(body, &parts); err != nil {
		return nil, fmt.Errorf("compare statuses: %w", err)
	}
	if _, differs := parts["status"]; !differs {
		return nil, nil
	}
	return body, nil
}

func (w *Writer) delete(ctx context.Context, pod *v1.Pod) error {
	zero := int64(0)
	err := w.pods.Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &zero, Preconditions: &metav1.Preconditions{UID: &pod.UID},
	})
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		w.markGone(pod.UID)
		return nil
	}
	return fmt.Errorf("delete pod %s/%s: %w", pod.Namespace, pod.Name, err)
}

// newer says that the object a is later than b; resource versions are ordered.
func newer(a, b *v1.Pod) bool {
	va, errA := strconv.ParseUint(a.ResourceVersion, 10, 64)
	vb, errB := strconv.ParseUint(b.ResourceVersion, 10, 64)
	return errA == nil && errB == nil && va > vb
}
