package admission

import (
	"context"
	"maps"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/kubernetes"
)

const (
	nodeUserPrefix = "system:node:"
	nodeNamespace  = "kube-node-lease"
)

// nodeRestriction keeps a node to its own Node, Lease, pods and their tokens.
// What a node may read is for authorization to say.
type nodeRestriction struct {
	*admission.Handler
	client kubernetes.Interface
}

var (
	_ admission.MutationInterface   = (*nodeRestriction)(nil)
	_ admission.ValidationInterface = (*nodeRestriction)(nil)
)

func newNodeRestriction(o Options) *nodeRestriction {
	return &nodeRestriction{
		Handler: admission.NewHandler(admission.Create, admission.Update, admission.Delete),
		client:  o.Client,
	}
}

// nodeOf returns the name of the node that a request comes from; isNode is
// false for everybody else. A node without a name may do nothing.
func nodeOf(u user.Info) (name string, isNode bool) {
	if u == nil || !slices.Contains(u.GetGroups(), user.NodesGroup) || !strings.HasPrefix(u.GetName(), nodeUserPrefix) {
		return "", false
	}
	return strings.TrimPrefix(u.GetName(), nodeUserPrefix), true
}

// Admit checks creations and updates.
func (n *nodeRestriction) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	name, isNode := nodeOf(a.GetUserInfo())
	if !isNode || a.GetOperation() == admission.Delete {
		return nil
	}
	return n.check(ctx, name, a)
}

// Validate checks deletions, for which only now the stored object is known.
func (n *nodeRestriction) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	name, isNode := nodeOf(a.GetUserInfo())
	if !isNode || a.GetOperation() != admission.Delete {
		return nil
	}
	return n.check(ctx, name, a)
}

func (n *nodeRestriction) check(ctx context.Context, node string, a admission.Attributes) error {
	if node == "" {
		return forbid(a, "could not determine node from user %q", a.GetUserInfo().GetName())
	}
	switch a.GetResource().GroupResource() {
	case schema.GroupResource{Resource: "pods"}:
		return n.checkPod(ctx, node, a)
	case schema.GroupResource{Resource: "nodes"}:
		if err := checkNode(node, a); err != nil {
			return err
		}
		return n.checkPodRange(ctx, node, a)
	case schema.GroupResource{Group: coordinationv1.GroupName, Resource: "leases"}:
		return checkLease(node, a)
	case schema.GroupResource{Resource: "serviceaccounts"}:
		return n.checkToken(ctx, node, a)
	case schema.GroupResource{Resource: "persistentvolumes"}:
		return checkVolume(node, a)
	case schema.GroupResource{Resource: "persistentvolumeclaims"}:
		if a.GetSubresource() != "status" || a.GetOperation() != admission.Update {
			return forbid(a, "may only update PVC status")
		}
	}
	return nil
}

func (n *nodeRestriction) checkPod(ctx context.Context, node string, a admission.Attributes) error {
	switch a.GetSubresource() {
	case "":
		switch a.GetOperation() {
		case admission.Create:
			return n.checkMirrorPod(ctx, node, a)
		case admission.Delete:
			return n.checkOwnPod(ctx, a, node, "node %q can only delete pods with spec.nodeName set to itself")
		}
		return forbid(a, "unexpected operation %q, node %q can only create and delete mirror pods", a.GetOperation(), node)
	case "status":
		return checkPodStatus(node, a)
	case "eviction":
		return n.checkOwnPod(ctx, a, node, "node %s can only evict pods with spec.nodeName set to itself")
	}
	return forbid(a, "unexpected pod subresource %q, only 'status' and 'eviction' are allowed", a.GetSubresource())
}

// checkOwnPod takes the stored pod from the request where it has one.
func (n *nodeRestriction) checkOwnPod(ctx context.Context, a admission.Attributes, node, refusal string) error {
	pod, ok := a.GetOldObject().(*corev1.Pod)
	if !ok {
		var err error
		pod, err = n.client.CoreV1().Pods(a.GetNamespace()).Get(ctx, a.GetName(), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return err
		}
		if err != nil {
			return admission.NewForbidden(a, err)
		}
	}
	if pod.Spec.NodeName != node {
		return forbid(a, refusal, node)
	}
	return nil
}

func checkPodStatus(node string, a admission.Attributes) error {
	old, ok := a.GetOldObject().(*corev1.Pod)
	if !ok || a.GetOperation() != admission.Update {
		return forbid(a, "unexpected operation %q", a.GetOperation())
	}
	pod, ok := a.GetObject().(*corev1.Pod)
	switch {
	case !ok:
		return wrongType(a, a.GetObject())
	case old.Spec.NodeName != node:
		return forbid(a, "node %q can only update pod status for pods with spec.nodeName set to itself", node)
	case !maps.Equal(old.Labels, pod.Labels):
		return forbid(a, "node %q cannot update labels through pod status", node)
	}
	return nil
}

// checkMirrorPod: a node may show what it runs by itself, as owned by it.
func (n *nodeRestriction) checkMirrorPod(ctx context.Context, node string, a admission.Attributes) error {
	pod, ok := a.GetObject().(*corev1.Pod)
	switch {
	case !ok:
		return wrongType(a, a.GetObject())
	case !isMirror(pod):
		return forbid(a, "pod does not have %q annotation, node %q can only create mirror pods", corev1.MirrorPodAnnotationKey, node)
	case pod.Spec.NodeName != node:
		return forbid(a, "node %q can only create pods with spec.nodeName set to itself", node)
	case len(pod.OwnerReferences) > 1:
		return forbid(a, "node %q can only create pods with a single owner reference set to itself", node)
	case len(pod.OwnerReferences) == 0:
		return forbid(a, "node %q can only create pods with an owner reference set to itself", node)
	}
	if err := n.checkMirrorOwner(ctx, node, a, pod.OwnerReferences[0]); err != nil {
		return err
	}
	if what := referencedKind(pod); what != "" {
		return forbid(a, "node %q can not create pods that reference %s", node, what)
	}
	return nil
}

func (n *nodeRestriction) checkMirrorOwner(ctx context.Context, node string, a admission.Attributes, owner metav1.OwnerReference) error {
	switch {
	case owner.APIVersion != "v1" || owner.Kind != "Node" || owner.Name != node:
		return forbid(a, "node %q can only create pods with an owner reference set to itself", node)
	case owner.Controller == nil || !*owner.Controller:
		return forbid(a, "node %q can only create pods with a controller owner reference set to itself", node)
	case owner.BlockOwnerDeletion != nil && *owner.BlockOwnerDeletion:
		return forbid(a, "node %q must not set blockOwnerDeletion on an owner reference", node)
	}
	stored, err := n.client.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return err
	}
	if err != nil {
		return forbid(a, "error looking up node %s to verify uid: %w", node, err)
	}
	if stored.UID != owner.UID {
		return forbid(a, "node %s UID mismatch: expected %s got %s", node, owner.UID, stored.UID)
	}
	return nil
}

// referencedKind names a kind of object that a pod would let its node read;
// empty for none.
func referencedKind(pod *corev1.Pod) string {
	if pod.Spec.ServiceAccountName != "" {
		return "serviceaccounts"
	}
	if len(pod.Spec.ImagePullSecrets) > 0 || len(secretUses(pod, false)) > 0 {
		return "secrets"
	}
	for _, v := range pod.Spec.Volumes {
		switch {
		case v.ConfigMap != nil:
			return "configmaps (via configmap volumes)"
		case v.PersistentVolumeClaim != nil:
			return "persistentvolumeclaims"
		case v.Projected != nil && len(v.Projected.Sources) > 0:
			return "configmaps, secrets or serviceaccounts (via projected volumes)"
		}
	}
	if slices.ContainsFunc(slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers), readsConfigMap) {
		return "configmaps"
	}
	return ""
}

func readsConfigMap(c corev1.Container) bool {
	return slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.ValueFrom != nil && e.ValueFrom.ConfigMapKeyRef != nil }) ||
		slices.ContainsFunc(c.EnvFrom, func(f corev1.EnvFromSource) bool { return f.ConfigMapRef != nil })
}

func checkLease(node string, a admission.Attributes) error {
	if a.GetNamespace() != nodeNamespace {
		return forbid(a, "can only access leases in the %q system namespace", nodeNamespace)
	}
	name := a.GetName()
	if lease, ok := a.GetObject().(*coordinationv1.Lease); ok && a.GetOperation() == admission.Create {
		name = lease.Name
	}
	if name != node {
		return forbid(a, "can only access node lease with the same name as the requesting node")
	}
	return nil
}

// checkToken: a node gets tokens only for a pod that runs on it.
func (n *nodeRestriction) checkToken(ctx context.Context, node string, a admission.Attributes) error {
	if a.GetSubresource() != "token" || a.GetOperation() != admission.Create {
		return nil
	}
	request, ok := a.GetObject().(*authenticationv1.TokenRequest)
	if !ok {
		return wrongType(a, a.GetObject())
	}
	ref := request.Spec.BoundObjectRef
	if ref == nil || ref.APIVersion != "v1" || ref.Kind != "Pod" || ref.Name == "" {
		return forbid(a, "node requested token not bound to a pod")
	}
	if ref.UID == "" {
		return forbid(a, "node requested token with a pod binding without a uid")
	}
	pod, err := n.client.CoreV1().Pods(a.GetNamespace()).Get(ctx, ref.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return err
	case err != nil:
		return admission.NewForbidden(a, err)
	case pod.UID != ref.UID:
		return forbid(a, "the UID in the bound object reference (%s) does not match the UID in record. The object might have been deleted and then recreated", ref.UID)
	case pod.Spec.NodeName != node:
		return forbid(a, "node requested token bound to a pod scheduled on a different node")
	}
	return nil
}
