package registry

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"
	storeerr "k8s.io/apiserver/pkg/storage/errors"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// maxDisruptedPods is how many evictions a budget may have that are not
// confirmed yet.
const maxDisruptedPods = 2000

// charge takes one disruption from the budget that selects the pod, if one
// does. A pod that is not healthy may go without one: then charged is false,
// and the deletion must depend on the pod staying so.
func (r *evictionREST) charge(ctx context.Context, pod *corev1.Pod, dry bool) (charged bool, budget string, err error) {
	all, err := r.budgetsOf(ctx, pod)
	if err != nil || len(all) == 0 {
		return true, "", err
	}
	if len(all) > 1 {
		return false, "", errTwoBudgets()
	}
	b := all[0]
	if !podutil.IsReady(pod) && mayGoUnhealthy(b) {
		return false, b.Name, nil
	}
	err = r.decrement(ctx, b.Name, pod.Name, dry)
	return err == nil, b.Name, err
}

func mayGoUnhealthy(b *policyv1.PodDisruptionBudget) bool {
	if p := b.Spec.UnhealthyPodEvictionPolicy; p != nil && *p == policyv1.AlwaysAllow {
		return true
	}
	return b.Status.CurrentHealthy >= b.Status.DesiredHealthy && b.Status.DesiredHealthy > 0
}

func (r *evictionREST) budgetsOf(ctx context.Context, pod *corev1.Pod) (selecting []*policyv1.PodDisruptionBudget, err error) {
	list, err := r.budgets.List(ctx, &metainternalversion.ListOptions{})
	if err != nil {
		return nil, err
	}
	err = meta.EachListItem(list, func(obj runtime.Object) error {
		b, ok := obj.(*policyv1.PodDisruptionBudget)
		if !ok {
			return fmt.Errorf("%w: %T", errNotBudget, obj)
		}
		// A selector that is no selector selects nothing.
		if s, err := metav1.LabelSelectorAsSelector(b.Spec.Selector); err == nil && s.Matches(labels.Set(pod.Labels)) {
			selecting = append(selecting, b)
		}
		return nil
	})
	return selecting, err
}

// decrement takes one disruption in a single write, so that two evictions never
// take the same one.
func (r *evictionREST) decrement(ctx context.Context, budget, pod string, dry bool) error {
	key, err := r.budgets.KeyFunc(ctx, budget)
	if err != nil {
		return err
	}
	err = r.budgets.Storage.GuaranteedUpdate(ctx, key, &policyv1.PodDisruptionBudget{}, false, nil, storage.SimpleUpdate(
		func(obj runtime.Object) (runtime.Object, error) {
			b := obj.(*policyv1.PodDisruptionBudget)
			if err := mayDisrupt(b); err != nil {
				return nil, err
			}
			b.Status.DisruptionsAllowed--
			if b.Status.DisruptedPods == nil {
				b.Status.DisruptedPods = map[string]metav1.Time{}
			}
			b.Status.DisruptedPods[pod] = metav1.NewTime(time.Now())
			setDisruptionAllowed(b)
			return b, nil
		}), dry, nil)
	return storeerr.InterpretUpdateError(storeerr.InterpretGetError(err, policyv1.Resource("poddisruptionbudgets"), budget),
		policyv1.Resource("poddisruptionbudgets"), budget)
}

func mayDisrupt(b *policyv1.PodDisruptionBudget) error {
	resource := policyv1.Resource("poddisruptionbudget")
	switch {
	case b.Status.ObservedGeneration < b.Generation:
		return busy(b.Name)
	case b.Status.DisruptionsAllowed < 0:
		return apierrors.NewForbidden(resource, b.Name, fmt.Errorf("pdb disruptions allowed is negative"))
	case len(b.Status.DisruptedPods) > maxDisruptedPods:
		return apierrors.NewForbidden(resource, b.Name, fmt.Errorf("DisruptedPods map too big - too many evictions not confirmed by PDB controller"))
	case b.Status.DisruptionsAllowed == 0:
		return tooMany(0, fmt.Sprintf("The disruption budget %s needs %d healthy pods and has %d currently",
			b.Name, b.Status.DesiredHealthy, b.Status.CurrentHealthy))
	}
	return nil
}

// setDisruptionAllowed tells in the conditions when nothing is left.
func setDisruptionAllowed(b *policyv1.PodDisruptionBudget) {
	if b.Status.DisruptionsAllowed > 0 {
		return
	}
	meta.SetStatusCondition(&b.Status.Conditions, metav1.Condition{
		Type: policyv1.DisruptionAllowedCondition, Status: metav1.ConditionFalse,
		Reason: policyv1.InsufficientPodsReason, ObservedGeneration: b.Status.ObservedGeneration,
	})
}
