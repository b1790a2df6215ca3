package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
	storeerr "k8s.io/apiserver/pkg/storage/errors"
	"k8s.io/apiserver/pkg/util/dryrun"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// bindingREST assigns pods to nodes. It writes each pod once, without reading
// it from the store when the watch cache has it.
type bindingREST struct {
	pods *genericregistry.Store
}

var (
	_ rest.NamedCreater                   = &bindingREST{}
	_ rest.SubresourceObjectMetaPreserver = &bindingREST{}
)

func newBindingREST(s *genericregistry.Store, _ *Environment) rest.Storage {
	return &bindingREST{pods: s}
}

// New is an empty binding.
func (r *bindingREST) New() runtime.Object { return &corev1.Binding{} }

// Destroy does nothing: the pods' store is the one to close.
func (r *bindingREST) Destroy() {}

// NamespaceScoped is true: bindings are where their pods are.
func (r *bindingREST) NamespaceScoped() bool { return true }

// PreserveRequestObjectMetaSystemFieldsOnSubresourceCreate keeps the UID and
// the version in a binding: they are conditions.
func (r *bindingREST) PreserveRequestObjectMetaSystemFieldsOnSubresourceCreate() bool { return true }

// Create assigns the named pod. It is a conflict when the pod has a node, is
// being deleted or is gated.
func (r *bindingREST) Create(ctx context.Context, name string, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	b, ok := obj.(*corev1.Binding)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("not a Binding object: %#v", obj))
	}
	if name != b.Name {
		return nil, apierrors.NewBadRequest("name in URL does not match name in Binding object")
	}
	if errs := validation.ValidatePodBinding(b); len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	if validate != nil {
		if err := validate(ctx, b.DeepCopyObject()); err != nil {
			return nil, err
		}
	}
	if err := r.bind(ctx, b, dryrun.IsDryRun(options.DryRun)); err != nil {
		return nil, err
	}
	return &metav1.Status{Status: metav1.StatusSuccess}, nil
}

func (r *bindingREST) bind(ctx context.Context, b *corev1.Binding, dry bool) error {
	key, err := r.pods.KeyFunc(ctx, b.Name)
	if err != nil {
		return err
	}
	var conditions storage.Preconditions
	if b.UID != "" {
		conditions.UID = &b.UID
	}
	if b.ResourceVersion != "" {
		conditions.ResourceVersion = &b.ResourceVersion
	}
	err = r.pods.Storage.GuaranteedUpdate(ctx, key, &corev1.Pod{}, false, &conditions, storage.SimpleUpdate(
		func(obj runtime.Object) (runtime.Object, error) {
			p := obj.(*corev1.Pod)
			return p, assign(p, b)
		}), dry, nil)
	if err == nil {
		return nil
	}
	resource := corev1.Resource("pods")
	err = storeerr.InterpretUpdateError(storeerr.InterpretGetError(err, resource, b.Name), resource, b.Name)
	if known := apierrors.APIStatus(nil); !errors.As(err, &known) {
		err = apierrors.NewConflict(corev1.Resource("pods/binding"), b.Name, err)
	}
	return err
}

// assign sets the pod's node and what the binding adds, or says why not.
func assign(p *corev1.Pod, b *corev1.Binding) error {
	switch {
	case p.DeletionTimestamp != nil:
		return fmt.Errorf("pod %s is being deleted, cannot be assigned to a host", p.Name)
	case p.Spec.NodeName != "":
		return fmt.Errorf("pod %v is already assigned to node %q", p.Name, p.Spec.NodeName)
	case len(p.Spec.SchedulingGates) != 0:
		return fmt.Errorf("pod %v has non-empty .spec.schedulingGates", p.Name)
	}
	p.Spec.NodeName = b.Target.Name
	p.Status.NominatedNodeName = ""
	merge(&p.Annotations, b.Annotations)
	merge(&p.Labels, b.Labels)
	podutil.UpdateCondition(&p.Status, corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}, time.Now())
	return nil
}

func merge(to *map[string]string, from map[string]string) {
	if len(from) == 0 {
		return
	}
	if *to == nil {
		*to = map[string]string{}
	}
	maps.Copy(*to, from)
}

// bindingsREST is the older way to bind: a resource of its own.
type bindingsREST struct {
	binding *bindingREST
}

var _ rest.Creater = &bindingsREST{}

func newBindingsREST(s *genericregistry.Store, _ *Environment) rest.Storage {
	return &bindingsREST{binding: &bindingREST{pods: s}}
}

// New is an empty binding.
func (r *bindingsREST) New() runtime.Object { return r.binding.New() }

// Destroy does nothing: the pods' store is the one to close.
func (r *bindingsREST) Destroy() {}

// NamespaceScoped is true: bindings are where their pods are.
func (r *bindingsREST) NamespaceScoped() bool { return true }

// GetSingularName is "binding".
func (r *bindingsREST) GetSingularName() string { return "binding" }

// Create assigns the pod that the binding is named after.
func (r *bindingsREST) Create(ctx context.Context, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	b, ok := obj.(*corev1.Binding)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("not a Binding object: %T", obj))
	}
	return r.binding.Create(ctx, b.Name, b, validate, options)
}
