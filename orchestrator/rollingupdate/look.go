package rollingupdate

import (
	"context"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// look reads what the plan needs to know.
func (u *Updater) look(ctx context.Context) (State, error) {
	var s State
	var err error
	if s.From, err = u.controller(ctx, u.o.Plan.From); err != nil {
		return s, err
	}
	if s.To, err = u.controller(ctx, u.o.Plan.To); err != nil {
		return s, err
	}
	if s.FromPods, s.FromReady, err = u.pods(ctx, s.From); err != nil {
		return s, err
	}
	s.ToPods, s.ToReady, err = u.pods(ctx, s.To)
	return s, err
}

func (u *Updater) controller(ctx context.Context, name string) (*corev1.ReplicationController, error) {
	rc, err := u.o.Client.CoreV1().ReplicationControllers(u.o.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return rc, err
}

// pods are those of a controller, and those it would have but for the label;
// ready is how many of its own are available.
func (u *Updater) pods(ctx context.Context, rc *corev1.ReplicationController) (pods []corev1.Pod, ready int, err error) {
	if rc == nil {
		return nil, 0, nil
	}
	selector := maps.Clone(rc.Spec.Selector)
	delete(selector, u.o.Plan.Key)
	list, err := u.o.Client.CoreV1().Pods(u.o.Namespace).List(ctx, metav1.ListOptions{LabelSelector: labels.Set(selector).String()})
	if err != nil {
		return nil, 0, err
	}
	now, minReady := u.o.Clock.Now(), time.Duration(rc.Spec.MinReadySeconds)*time.Second
	for i := range list.Items {
		pod := &list.Items[i]
		owner := metav1.GetControllerOfNoCopy(pod)
		if owner != nil && owner.UID != rc.UID {
			continue
		}
		pods = append(pods, *pod)
		if owner != nil && podutil.IsActive(pod) && podutil.IsAvailable(pod, minReady, now) {
			ready++
		}
	}
	return pods, ready, nil
}
