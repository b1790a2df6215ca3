package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/wait"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/util/dryrun"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// evictionREST deletes pods as far as their disruption budgets allow.
type evictionREST struct {
	pods, budgets *genericregistry.Store
}

var (
	_ rest.NamedCreater             = &evictionREST{}
	_ rest.GroupVersionKindProvider = &evictionREST{}
	_ rest.GroupVersionAcceptor     = &evictionREST{}
)

func newEvictionREST(s *genericregistry.Store, e *Environment) rest.Storage {
	return &evictionREST{pods: s, budgets: e.Stores[policyv1.Resource("poddisruptionbudgets")]}
}

// evictionKind is policy's, though the subresource is in core.
func evictionKind() schema.GroupVersionKind { return policyv1.SchemeGroupVersion.WithKind("Eviction") }

// evictionRetry is how often a pod is read again that changed meanwhile.
func evictionRetry() wait.Backoff {
	return wait.Backoff{Steps: 20, Duration: 5 * time.Millisecond, Factor: 1.5, Cap: 500 * time.Millisecond, Jitter: 0.1}
}

// New is an empty eviction.
func (r *evictionREST) New() runtime.Object { return &policyv1.Eviction{} }

// Destroy does nothing: the pods' store is the one to close.
func (r *evictionREST) Destroy() {}

// GroupVersionKind is what clients find in discovery.
func (r *evictionREST) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return evictionKind()
}

// AcceptsGroupVersion lets the body be of policy/v1.
func (r *evictionREST) AcceptsGroupVersion(gv schema.GroupVersion) bool {
	return gv == policyv1.SchemeGroupVersion
}

// Create evicts the named pod. It answers 429 when a budget forbids it now.
func (r *evictionREST) Create(ctx context.Context, name string, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	e, ok := obj.(*policyv1.Eviction)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("not a Eviction object: %T", obj))
	}
	if name != e.Name {
		return nil, apierrors.NewBadRequest("name in URL does not match name in Eviction object")
	}
	how, err := deleteOptions(e, options)
	if err != nil {
		return nil, err
	}
	if validate != nil {
		if err := validate(ctx, e.DeepCopyObject()); err != nil {
			return nil, err
		}
	}
	if err := r.evict(ctx, name, how); err != nil {
		return nil, err
	}
	return &metav1.Status{Status: metav1.StatusSuccess}, nil
}

// deleteOptions are the eviction's, with the dry run that request or body ask for.
func deleteOptions(e *policyv1.Eviction, options *metav1.CreateOptions) (*metav1.DeleteOptions, error) {
	how := ptr.Deref(e.DeleteOptions, metav1.DeleteOptions{})
	if ptr.Deref(how.IgnoreStoreReadErrorWithClusterBreakingPotential, false) {
		return nil, apierrors.NewInvalid(evictionKind().GroupKind(), e.Name, field.ErrorList{
			field.Invalid(field.NewPath("deleteOptions", "ignoreStoreReadErrorWithClusterBreakingPotential"), true,
				"can not be set for pod eviction, try after removing the option"),
		})
	}
	switch {
	case len(how.DryRun) == 0:
		how.DryRun = options.DryRun
	case len(options.DryRun) > 0 && !slices.Equal(how.DryRun, options.DryRun):
		return nil, fmt.Errorf("Non-matching dry-run options in request and content: %v and %v", options.DryRun, how.DryRun) //nolint:staticcheck // Kubernetes' words
	}
	return &how, nil
}

// evict reads the pod, and again when it changes before it is deleted; but not
// when the client says which version it means.
func (r *evictionREST) evict(ctx context.Context, name string, how *metav1.DeleteOptions) error {
	pinned := how.Preconditions != nil && how.Preconditions.ResourceVersion != nil
	again := func(err error) bool { return apierrors.IsConflict(err) && !pinned }
	charged := false // at most once, however often the pod is read
	return retry.OnError(evictionRetry(), again, func() error {
		obj, err := r.pods.Get(ctx, name, &metav1.GetOptions{})
		if err != nil {
			return err
		}
		pod := obj.(*corev1.Pod)
		if podutil.IsTerminal(pod) || !pod.DeletionTimestamp.IsZero() {
			return r.delete(ctx, pod, how)
		}
		if pod.Status.Phase == corev1.PodPending {
			return r.delete(ctx, pod, atVersion(how, pod, pinned))
		}
		if charged {
			return r.delete(ctx, pod, how)
		}
		var budget string
		if charged, budget, err = r.charge(ctx, pod, dryrun.IsDryRun(how.DryRun)); err != nil {
			return err
		}
		if charged {
			return r.delete(ctx, pod, how)
		}
		// It could have become ready, and be one that the budget counts on.
		err = r.delete(ctx, pod, atVersion(how, pod, pinned))
		if apierrors.IsConflict(err) && !pinned {
			return busy(budget)
		}
		return err
	})
}

// atVersion makes the deletion depend on the pod being as it was read.
func atVersion(how *metav1.DeleteOptions, pod *corev1.Pod, pinned bool) *metav1.DeleteOptions {
	if pinned {
		return how
	}
	how = how.DeepCopy()
	if how.Preconditions == nil {
		how.Preconditions = &metav1.Preconditions{}
	}
	how.Preconditions.ResourceVersion = &pod.ResourceVersion
	return how
}

// delete notes in the pod why it goes, and deletes it.
func (r *evictionREST) delete(ctx context.Context, pod *corev1.Pod, how *metav1.DeleteOptions) error {
	if !dryrun.IsDryRun(how.DryRun) {
		updated, err := r.noteEviction(ctx, pod.Name, how.Preconditions)
		if err != nil {
			return err
		}
		if how.Preconditions != nil && how.Preconditions.ResourceVersion != nil {
			how = how.DeepCopy()
			how.Preconditions.ResourceVersion = &updated.ResourceVersion
		}
	}
	_, _, err := r.pods.Delete(ctx, pod.Name, rest.ValidateAllObjectFunc, how)
	return err
}

func (r *evictionREST) noteEviction(ctx context.Context, name string, conditions *metav1.Preconditions) (*corev1.Pod, error) {
	note := func(_ context.Context, _, old runtime.Object) (runtime.Object, error) {
		pod := old.DeepCopyObject().(*corev1.Pod)
		if err := checkPod(pod, conditions); err != nil {
			return nil, err
		}
		podutil.UpdateCondition(&pod.Status, corev1.PodCondition{
			Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue,
			Reason: "EvictionByEvictionAPI", Message: "Eviction API: evicting",
		}, time.Now())
		return pod, nil
	}
	obj, _, err := r.status().Update(ctx, name, rest.DefaultUpdatedObjectInfo(nil, note),
		rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, false, &metav1.UpdateOptions{})
	if err != nil {
		return nil, err
	}
	return obj.(*corev1.Pod), nil
}

// status is the pods' store without its strategy, which would keep the status.
func (r *evictionREST) status() *genericregistry.Store {
	s := *r.pods
	s.UpdateStrategy = noteStrategy{s.UpdateStrategy}
	return &s
}

// noteStrategy writes what eviction changes as it is.
type noteStrategy struct {
	rest.RESTUpdateStrategy
}

func (noteStrategy) PrepareForUpdate(context.Context, runtime.Object, runtime.Object) {}

func (noteStrategy) ValidateUpdate(context.Context, runtime.Object, runtime.Object) field.ErrorList {
	return nil
}

func checkPod(pod *corev1.Pod, p *metav1.Preconditions) error {
	conflict := func(format string, args ...any) error {
		return apierrors.NewConflict(schema.GroupResource{Resource: "Pod"}, pod.Name, fmt.Errorf(format, args...))
	}
	switch {
	case p == nil:
	case p.UID != nil && *p.UID != "" && *p.UID != pod.UID:
		return conflict("the UID in the precondition (%s) does not match the UID in record (%s). The object might have been deleted and then recreated", *p.UID, pod.UID)
	case p.ResourceVersion != nil && *p.ResourceVersion != "" && *p.ResourceVersion != pod.ResourceVersion:
		return conflict("the ResourceVersion in the precondition (%s) does not match the ResourceVersion in record (%s). The object might have been modified", *p.ResourceVersion, pod.ResourceVersion)
	}
	return nil
}

// errTwoBudgets is what pods get that two budgets select.
func errTwoBudgets() error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: 500,
		Message: "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
	}}
}

// busy tells to come back: the budget does not know yet what it allows.
func busy(budget string) error {
	return tooMany(10, fmt.Sprintf("The disruption budget %s is still being processed by the server.", budget))
}

func tooMany(retryAfter int, cause string) error {
	err := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", retryAfter)
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes,
		metav1.StatusCause{Type: policyv1.DisruptionBudgetCause, Message: cause})
	return err
}

var errNotBudget = errors.New("not a disruption budget")
