package rollingupdate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
)

// Options is what an Updater is made of.
type Options struct {
	Client    kubernetes.Interface
	Namespace string
	Plan      *Plan
	// Out is told each step, and how far the update is, in lines for a person.
	Out io.Writer
	// Period is how long a new pod is given before an old one is ended for it.
	Period time.Duration
	// Interval is the time between two looks at pods that are waited for.
	Interval time.Duration
	// Timeout ends an update in which nothing changes for so long.
	Timeout time.Duration
	// Clock is the machine's unless a test gives another.
	Clock clock.WithTicker
}

// Updater carries out a plan. It is for one goroutine.
type Updater struct {
	o        Options
	progress progress
	// started is when the newest pod was, as far as this client knows; changed
	// is when anything did.
	started, changed time.Time
}

// New makes an updater. Nothing is written before Run.
func New(o Options) *Updater {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	now := o.Clock.Now()
	return &Updater{o: o, started: now, changed: now, progress: progress{out: o.Out, plan: o.Plan}}
}

// Run works until the update is done, the context ends, or no progress is made
// within the timeout. What was done stays done: the same update can be run
// again.
func (u *Updater) Run(ctx context.Context) error {
	for {
		wait, done, err := u.step(ctx)
		if done || err != nil {
			return err
		}
		if wait == 0 {
			continue
		}
		timer := u.o.Clock.NewTimer(wait)
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// step looks, does at most one write, and says how long to wait before the next.
func (u *Updater) step(ctx context.Context) (wait time.Duration, done bool, err error) {
	state, err := u.look(ctx)
	if err != nil {
		return u.again(ctx, err)
	}
	if u.progress.show(state) {
		u.changed = u.o.Clock.Now()
	}
	step, err := u.o.Plan.Next(state)
	switch {
	case err != nil:
		return 0, false, err
	case step.Verb == Done:
		return 0, true, nil
	case step.Verb == Wait:
		return u.o.Interval, false, u.patience(state, step)
	}
	if left := u.started.Add(u.o.Period).Sub(u.o.Clock.Now()); step.Paused && left > 0 {
		u.changed = u.o.Clock.Now()
		return min(left, u.o.Interval), false, nil
	}
	u.progress.say(step)
	if err := u.do(ctx, step); err != nil {
		return u.again(ctx, err)
	}
	u.changed = u.o.Clock.Now()
	if step.Starts {
		u.started = u.changed
	}
	if step.Verb == Orphan { // and let the controllers see that the pods are nobody's
		wait = u.o.Interval
	}
	return wait, step.Last, nil
}

// again asks for another try after what time mends, until the timeout.
func (u *Updater) again(ctx context.Context, err error) (time.Duration, bool, error) {
	if ctx.Err() != nil {
		return 0, false, ctx.Err()
	}
	if !isPassing(err) {
		return 0, false, err
	}
	if u.late() {
		return 0, false, fmt.Errorf("timed out waiting for any update progress to be made: %w", err)
	}
	if apierrors.IsConflict(err) {
		return 0, false, nil // somebody was faster: look again
	}
	return u.o.Interval, false, nil
}

// isPassing tells whether another look, or time, mends an error.
func isPassing(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return utilnet.IsConnectionRefused(err) || utilnet.IsConnectionReset(err) || utilnet.IsTimeout(err) || utilnet.IsProbableEOF(err) || utilnet.IsHTTP2ConnectionLost(err)
	}
	changed := apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err)
	return changed || apierrors.IsTooManyRequests(err) || apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) || status.Status().Code >= 500
}

func (u *Updater) late() bool { return u.o.Clock.Since(u.changed) > u.o.Timeout }

// patience is an error when nothing has changed for too long; it says why.
func (u *Updater) patience(s State, step Step) error {
	if !u.late() {
		return nil
	}
	return fmt.Errorf("timed out waiting for any update progress to be made: %s%s", step.Say, troubles(s))
}

func (u *Updater) do(ctx context.Context, step Step) error {
	controllers := u.o.Client.CoreV1().ReplicationControllers(u.o.Namespace)
	var err error
	switch step.Verb {
	case Create:
		_, err = controllers.Create(ctx, step.Object, metav1.CreateOptions{})
	case Update:
		_, err = controllers.Update(ctx, step.Object, metav1.UpdateOptions{})
	case Delete:
		err = controllers.Delete(ctx, step.Object.Name, deletion(step.Object, metav1.DeletePropagationBackground))
	case Orphan:
		err = controllers.Delete(ctx, step.Object.Name, deletion(step.Object, metav1.DeletePropagationOrphan))
	case Label:
		err = u.label(ctx, step.Pod, step.Labels)
	}
	return err
}

// deletion is of this very object, as it was looked at.
func deletion(rc *corev1.ReplicationController, policy metav1.DeletionPropagation) metav1.DeleteOptions {
	return metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &rc.UID, ResourceVersion: &rc.ResourceVersion}, PropagationPolicy: &policy}
}

func (u *Updater) label(ctx context.Context, pod *corev1.Pod, labels map[string]string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID, "labels": labels}})
	if err != nil {
		return fmt.Errorf("label pod %s: %w", pod.Name, err)
	}
	_, err = u.o.Client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	return err
}
