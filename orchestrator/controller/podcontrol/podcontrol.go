// Package podcontrol creates and deletes pods for a controller: with the owner's
// reference, events about it, and the expectation that the cache will show it.
package podcontrol

import (
	"context"
	"errors"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"

	"github.com/lubberline/lubberline/orchestrator/controller/expectations"
	"github.com/lubberline/lubberline/orchestrator/controller/ownership"
	"github.com/lubberline/lubberline/orchestrator/controller/podindex"
	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
)

// The reasons of the events.
const (
	SuccessfulCreate = "SuccessfulCreate"
	FailedCreate     = "FailedCreate"
	SuccessfulDelete = "SuccessfulDelete"
	FailedDelete     = "FailedDelete"
)

// Owner is the object that pods are made for.
type Owner interface {
	metav1.Object
	runtime.Object
}

// Control writes the pods of one controller.
type Control struct {
	Kind     schema.GroupVersionKind // of the owners
	Pods     corev1client.PodsGetter
	Events   record.EventRecorder
	Expected *expectations.Set
	Index    podindex.Index
}

// FromTemplate is a new pod for the owner; its name is made by the API.
func (c *Control) FromTemplate(owner Owner, template *corev1.PodTemplateSpec) *corev1.Pod {
	prefix := owner.GetName() + "-"
	if len(validation.NameIsDNSSubdomain(prefix, true)) > 0 {
		prefix = owner.GetName()
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: prefix, Namespace: owner.GetNamespace(),
			Labels: maps.Clone(template.Labels), Annotations: maps.Clone(template.Annotations),
			Finalizers:      slices.Clone(template.Finalizers),
			OwnerReferences: []metav1.OwnerReference{ownership.Reference(owner, c.Kind)},
		},
		Spec: *template.Spec.DeepCopy(),
	}
}

// Create creates a pod of the owner.
func (c *Control) Create(ctx context.Context, owner Owner, pod *corev1.Pod) error {
	if len(pod.Labels) == 0 {
		return errors.New("unable to create pods, no labels")
	}
	created, err := c.Pods.Pods(owner.GetNamespace()).Create(ctx, pod, metav1.CreateOptions{})
	if err != nil {
		return c.notCreated(owner, err)
	}
	c.Expected.Created(reconcile.Key(owner), expected(created))
	c.Events.Eventf(owner, corev1.EventTypeNormal, SuccessfulCreate, "Created pod: %v", created.Name)
	return nil
}

func (c *Control) notCreated(owner Owner, err error) error {
	if expectations.LeavesOpen(err) {
		c.Expected.CreationUnsure(reconcile.Key(owner))
	}
	if !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		c.Events.Eventf(owner, corev1.EventTypeWarning, FailedCreate, "Error creating: %v", err)
	}
	return err
}

// Delete deletes a pod of the owner; one that is gone already is no error.
func (c *Control) Delete(ctx context.Context, owner Owner, pod *corev1.Pod) error {
	err := c.Pods.Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(pod.UID))})
	switch {
	case apierrors.IsNotFound(err), apierrors.IsConflict(err): // gone, perhaps for another of that name
		c.Expected.Deleted(reconcile.Key(owner), expected(pod))
		return nil
	case err != nil:
		if expectations.LeavesOpen(err) {
			c.Expected.DeletionUnsure(reconcile.Key(owner), expected(pod))
		}
		c.Events.Eventf(owner, corev1.EventTypeWarning, FailedDelete, "Error deleting: %v", err)
		return &deleteError{err}
	}
	c.Expected.Deleted(reconcile.Key(owner), expected(pod))
	c.Events.Eventf(owner, corev1.EventTypeNormal, SuccessfulDelete, "Deleted pod: %v", pod.Name)
	return nil
}

type deleteError struct{ err error }

func (e *deleteError) Error() string { return "unable to delete pods: " + e.err.Error() }
func (e *deleteError) Unwrap() error { return e.err }

func expected(pod *corev1.Pod) expectations.Object {
	return expectations.Object{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}
}

// CacheShows says whether the cache shows every pod that was created and deleted
// for this owner.
func (c *Control) CacheShows(ctx context.Context, owner metav1.Object) (bool, error) {
	return c.Expected.Met(ctx, reconcile.Key(owner), view{c, owner})
}

// Patch returns how ownership patches pods of a namespace.
func (c *Control) Patch(namespace string) func(context.Context, string, []byte) error {
	return func(ctx context.Context, name string, patch []byte) error {
		_, err := c.Pods.Pods(namespace).Patch(ctx, name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
		return err
	}
}

// view is the pods of one owner, for the expectations.
type view struct {
	*Control
	owner metav1.Object
}

func (v view) Cached(o expectations.Object) (present, deleting bool) {
	pod := v.Index.Get(o.Namespace, o.Name)
	if pod == nil || pod.UID != o.UID {
		return false, false
	}
	return true, pod.DeletionTimestamp != nil
}

func (v view) Living(ctx context.Context) (map[expectations.Object]bool, error) {
	list, err := v.Pods.Pods(v.owner.GetNamespace()).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	living := map[expectations.Object]bool{}
	for i := range list.Items {
		if pod := &list.Items[i]; metav1.IsControlledBy(pod, v.owner) {
			living[expected(pod)] = pod.DeletionTimestamp != nil
		}
	}
	return living, nil
}
