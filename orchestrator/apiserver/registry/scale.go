package registry

import (
	"context"
	"fmt"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

// object is what can be scaled.
type object interface {
	runtime.Object
	metav1.Object
}

// scaled says how a kind has its number of replicas.
type scaled[T object] struct {
	version  schema.GroupVersion
	resource string
	// replicas are the number wanted and the number that there is.
	replicas func(obj T) (wanted **int32, have int32)
	selector func(obj T) (labels.Selector, error)
}

// scaleOf makes the /scale subresource of a kind.
func scaleOf[T object](s scaled[T]) func(*genericregistry.Store, *Environment) rest.Storage {
	return func(store *genericregistry.Store, e *Environment) rest.Storage {
		return &scaleREST[T]{
			store: store, scaled: s, TableConvertor: e.Tables.For(autoscalingv1.SchemeGroupVersion.WithResource("scales").GroupResource()),
		}
	}
}

// scaleREST shows an object as its autoscaling/v1 Scale and changes only the
// number of replicas.
type scaleREST[T object] struct {
	store *genericregistry.Store
	scaled[T]
	rest.TableConvertor
}

var (
	_ rest.Patcher                  = &scaleREST[object]{}
	_ rest.GroupVersionKindProvider = &scaleREST[object]{}
)

// New is an empty scale.
func (r *scaleREST[T]) New() runtime.Object { return &autoscalingv1.Scale{} }

// Destroy does nothing: the kind's store is the one to close.
func (r *scaleREST[T]) Destroy() {}

// GroupVersionKind is autoscaling's, in every group.
func (r *scaleREST[T]) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return autoscalingv1.SchemeGroupVersion.WithKind("Scale")
}

// Get is the scale of the named object.
func (r *scaleREST[T]) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	obj, err := r.store.Get(ctx, name, options)
	if err != nil {
		return nil, err
	}
	return r.scale(obj)
}

// Update sets the number of replicas. It never creates.
func (r *scaleREST[T]) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc,
	update rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions,
) (runtime.Object, bool, error) {
	obj, _, err := r.store.Update(ctx, name, &scaleUpdate[T]{rest: r, name: name, info: info},
		r.validateCreate(create), r.validateUpdate(update), false, options)
	if err != nil {
		return nil, false, err
	}
	scale, err := r.scale(obj)
	return scale, false, err
}

func (r *scaleREST[T]) validateCreate(f rest.ValidateObjectFunc) rest.ValidateObjectFunc {
	return func(ctx context.Context, obj runtime.Object) error {
		scale, err := r.scale(obj)
		if err != nil {
			return err
		}
		return f(ctx, scale)
	}
}

func (r *scaleREST[T]) validateUpdate(f rest.ValidateObjectUpdateFunc) rest.ValidateObjectUpdateFunc {
	return func(ctx context.Context, obj, old runtime.Object) error {
		scale, err := r.scale(obj)
		if err != nil {
			return err
		}
		oldScale, err := r.scale(old)
		if err != nil {
			return err
		}
		return f(ctx, scale, oldScale)
	}
}

func (r *scaleREST[T]) scale(o runtime.Object) (*autoscalingv1.Scale, error) {
	obj, ok := o.(T)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("not of %s: %T", r.resource, o))
	}
	selector, err := r.selector(obj)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	wanted, have := r.replicas(obj)
	return &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{
			Name: obj.GetName(), Namespace: obj.GetNamespace(), UID: obj.GetUID(),
			ResourceVersion: obj.GetResourceVersion(), CreationTimestamp: obj.GetCreationTimestamp(),
		},
		Spec:   autoscalingv1.ScaleSpec{Replicas: ptr.Deref(*wanted, 0)},
		Status: autoscalingv1.ScaleStatus{Replicas: have, Selector: selector.String()},
	}, nil
}

// scaleUpdate turns a change of a scale into one of its object.
type scaleUpdate[T object] struct {
	rest *scaleREST[T]
	name string
	info rest.UpdatedObjectInfo
}

// Preconditions are the client's.
func (u *scaleUpdate[T]) Preconditions() *metav1.Preconditions { return u.info.Preconditions() }

// UpdatedObject is the object with the replicas that its changed scale asks
// for. Managers of the scale's number become those of the object's.
func (u *scaleUpdate[T]) UpdatedObject(ctx context.Context, old runtime.Object) (runtime.Object, error) {
	obj, ok := old.DeepCopyObject().(T)
	if !ok || obj.GetResourceVersion() == "" {
		return nil, apierrors.NewNotFound(u.resource(), u.name)
	}
	oldScale, err := u.rest.scale(obj)
	if err != nil {
		return nil, err
	}
	handler := managedfields.NewScaleHandler(obj.GetManagedFields(), u.rest.version, managedfields.ResourcePathMappings{
		u.rest.version.String(): fieldpath.MakePathOrDie("spec", "replicas"),
	})
	if oldScale.ManagedFields, err = handler.ToSubresource(); err != nil {
		return nil, err
	}
	scale, err := u.changed(ctx, oldScale)
	if err != nil {
		return nil, err
	}
	if scale.UID != "" && scale.UID != obj.GetUID() {
		return nil, apierrors.NewConflict(u.resource(), u.name,
			fmt.Errorf("Precondition failed: UID in precondition: %v, UID in object meta: %v", scale.UID, obj.GetUID())) //nolint:staticcheck // Kubernetes' words
	}
	wanted, _ := u.rest.replicas(obj)
	*wanted = ptr.To(scale.Spec.Replicas)
	obj.SetResourceVersion(scale.ResourceVersion)
	managed, err := handler.ToParent(scale.ManagedFields)
	if err != nil {
		return nil, err
	}
	obj.SetManagedFields(managed)
	return obj, nil
}

// changed is the valid scale that the client makes of the old one.
func (u *scaleUpdate[T]) changed(ctx context.Context, old *autoscalingv1.Scale) (*autoscalingv1.Scale, error) {
	updated, err := u.info.UpdatedObject(ctx, old)
	if err != nil {
		return nil, err
	}
	scale, ok := updated.(*autoscalingv1.Scale)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("expected input object type to be Scale, but %T", updated))
	}
	if errs := validation.ValidateScale(scale); len(errs) > 0 {
		return nil, apierrors.NewInvalid(autoscalingv1.SchemeGroupVersion.WithKind("Scale").GroupKind(), u.name, errs)
	}
	return scale, nil
}

func (u *scaleUpdate[T]) resource() schema.GroupResource {
	return u.rest.version.WithResource(u.rest.resource + "/scale").GroupResource()
}
