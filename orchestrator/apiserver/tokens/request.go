package tokens

import (
	"context"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

const (
	defaultLife = 3600
	leastLife   = 600
	mostLife    = 1 << 32
)

// RequestREST is the subresource serviceaccounts/token.
type RequestREST struct {
	issuer  *Issuer
	objects Objects
}

var (
	_ rest.NamedCreater             = (*RequestREST)(nil)
	_ rest.GroupVersionKindProvider = (*RequestREST)(nil)
)

// NewRequestREST issues tokens of accounts, bound to objects that are there.
func NewRequestREST(issuer *Issuer, objects Objects) *RequestREST {
	return &RequestREST{issuer: issuer, objects: objects}
}

// New is an empty request.
func (r *RequestREST) New() runtime.Object { return &authenticationv1.TokenRequest{} }

// Destroy does nothing.
func (r *RequestREST) Destroy() {}

// GroupVersionKind is not of the group in which it is served.
func (r *RequestREST) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return authenticationv1.SchemeGroupVersion.WithKind("TokenRequest")
}

// Create issues a token of the named account.
func (r *RequestREST) Create(ctx context.Context, name string, obj runtime.Object, validate rest.ValidateObjectFunc, o *metav1.CreateOptions) (runtime.Object, error) {
	request := obj.(*authenticationv1.TokenRequest)
	namespace := genericrequest.NamespaceValue(ctx)
	if err := complete(request, namespace, name, r.issuer.URL()); err != nil {
		return nil, err
	}
	account, err := r.objects.ServiceAccount(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	if validate != nil {
		if err := validate(ctx, request.DeepCopyObject()); err != nil {
			return nil, err
		}
	}
	k := Kubernetes{Namespace: namespace, ServiceAccount: Reference{Name: name, UID: string(account.UID)}}
	if err := r.bind(ctx, &k, request.Spec.BoundObjectRef); err != nil {
		return nil, err
	}
	if len(o.DryRun) > 0 {
		return request, nil
	}
	life := time.Duration(*request.Spec.ExpirationSeconds) * time.Second
	token, ends, err := r.issuer.Issue(k, serviceaccount.MakeUsername(namespace, name), request.Spec.Audiences, life)
	if err != nil {
		return nil, apierrors.NewInternalError(fmt.Errorf("failed to generate token: %w", err))
	}
	request.Status = authenticationv1.TokenRequestStatus{Token: token, ExpirationTimestamp: metav1.NewTime(ends)}
	return request, nil
}

// complete fills in what was left open and refuses what cannot be.
func complete(r *authenticationv1.TokenRequest, namespace, name, audience string) error {
	if r.Name != "" && r.Name != name {
		return apierrors.NewBadRequest(fmt.Sprintf("name in URL (%s) does not match name in TokenRequest object (%s)", name, r.Name))
	}
	r.Name, r.Namespace, r.CreationTimestamp = name, namespace, metav1.Now()
	if r.Spec.ExpirationSeconds == nil {
		r.Spec.ExpirationSeconds = new(int64(defaultLife))
	}
	path := field.NewPath("spec", "expirationSeconds")
	var errs field.ErrorList
	switch seconds := *r.Spec.ExpirationSeconds; {
	case seconds < leastLife:
		errs = append(errs, field.Invalid(path, seconds, "may not specify a duration less than 10 minutes"))
	case seconds > mostLife:
		errs = append(errs, field.TooLong(path, seconds, mostLife))
	}
	if len(errs) > 0 {
		return apierrors.NewInvalid(authenticationv1.SchemeGroupVersion.WithKind("TokenRequest").GroupKind(), "", errs)
	}
	if len(r.Spec.Audiences) == 0 {
		r.Spec.Audiences = []string{audience}
	}
	return nil
}

// bind adds the object to what the token says.
func (r *RequestREST) bind(ctx context.Context, k *Kubernetes, ref *authenticationv1.BoundObjectReference) error {
	if ref == nil {
		return nil
	}
	kind := schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind)
	switch {
	case kind == corev1.SchemeGroupVersion.WithKind("Pod"):
		return r.bindPod(ctx, k, ref)
	case kind == corev1.SchemeGroupVersion.WithKind("Secret"):
		secret, err := r.objects.Secret(ctx, k.Namespace, ref.Name)
		if err != nil {
			return err
		}
		k.Secret = &Reference{Name: ref.Name, UID: string(secret.UID)}
		return same(ref, secret.UID)
	case kind == corev1.SchemeGroupVersion.WithKind("Node"):
		node, err := r.objects.Node(ctx, ref.Name)
		if err != nil {
			return err
		}
		k.Node = &Reference{Name: ref.Name, UID: string(node.UID)}
		return same(ref, node.UID)
	}
	return apierrors.NewBadRequest(fmt.Sprintf("cannot bind token to object of type %s", kind.String()))
}

func (r *RequestREST) bindPod(ctx context.Context, k *Kubernetes, ref *authenticationv1.BoundObjectReference) error {
	pod, err := r.objects.Pod(ctx, k.Namespace, ref.Name)
	if err != nil {
		return err
	}
	if pod.Spec.ServiceAccountName != k.ServiceAccount.Name {
		return apierrors.NewBadRequest(fmt.Sprintf("cannot bind token for serviceaccount %q to pod running with different serviceaccount name.", k.ServiceAccount.Name))
	}
	k.Pod = &Reference{Name: ref.Name, UID: string(pod.UID)}
	if node := pod.Spec.NodeName; node != "" {
		k.Node = &Reference{Name: node}
		if found, err := r.objects.Node(ctx, node); err == nil {
			k.Node.UID = string(found.UID)
		}
	}
	return same(ref, pod.UID)
}

// same refuses a reference to an object that has been replaced.
func same(ref *authenticationv1.BoundObjectReference, uid types.UID) error {
	if ref.UID == "" || ref.UID == uid {
		return nil
	}
	return apierrors.NewConflict(schema.GroupResource{Resource: ref.Kind}, ref.Name, fmt.Errorf(
		"the UID in the bound object reference (%s) does not match the UID in record. The object might have been deleted and then recreated", ref.UID))
}
