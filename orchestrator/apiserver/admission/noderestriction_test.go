package admission

import (
	"testing"

	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/utils/ptr"

	"github.com/lubberline/lubberline/orchestrator/storageclass"
)

func onNode(name, node string) *corev1.Pod {
	pod := newTestPod(name)
	pod.UID, pod.Spec.NodeName, pod.Spec.ServiceAccountName = "u-"+pod.UID, node, "default"
	return pod
}

// A node may write only itself and its pods.
func TestNodesAreConfined(t *testing.T) {
	mine, theirs := onNode("mine", "one"), onNode("theirs", "two")
	one := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "one", UID: "node-uid", Labels: map[string]string{"a": "b"}}}
	c := newChain(t, mine, theirs, one)
	node := &user.DefaultInfo{Name: "system:node:one", Groups: []string{user.NodesGroup}}
	f := func(wanted string, r request) {
		t.Helper()
		r.user = node
		err := c.ask(r)
		if wanted == "" {
			require.NoError(t, err)
			return
		}
		require.ErrorContains(t, err, "is forbidden: "+wanted)
	}
	labelled := func(key string) *corev1.Node {
		n := one.DeepCopy()
		n.Labels = map[string]string{"a": "b", key: "x"}
		return n
	}
	tainted := one.DeepCopy()
	tainted.Spec.Taints = []corev1.Taint{{Key: "x"}}
	two := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "two"}}

	f("", request{resource: "nodes", operation: admission.Create, object: one.DeepCopy()})
	f("", request{resource: "nodes", subresource: "status", operation: admission.Update, old: one, object: one})
	f(`node "one" is not allowed to modify node "two"`, request{resource: "nodes", operation: admission.Create, object: two})
	f(`node "one" is not allowed to modify node "two"`, request{resource: "nodes", operation: admission.Update, old: two, object: two})
	f(`node "one" is not allowed to modify node "two"`, request{resource: "nodes", operation: admission.Delete, old: two})
	f(`node "one" is not allowed to modify taints`, request{resource: "nodes", operation: admission.Update, old: one, object: tainted})
	f("", request{resource: "nodes", operation: admission.Update, old: one, object: labelled("mine.example.com/x")})
	f("", request{resource: "nodes", operation: admission.Update, old: one, object: labelled("kubernetes.io/hostname")})
	f("", request{resource: "nodes", operation: admission.Update, old: one, object: labelled("x.node.kubernetes.io/y")})
	f("is not allowed to modify labels: node-role.kubernetes.io/master", request{resource: "nodes", operation: admission.Update, old: one, object: labelled("node-role.kubernetes.io/master")})
	f(`node "one" is not allowed to set the following labels: node-restriction.kubernetes.io/x`, request{resource: "nodes", operation: admission.Create, object: labelled("node-restriction.kubernetes.io/x")})

	f("", request{resource: "pods", subresource: "status", operation: admission.Update, old: mine, object: mine})
	f(`node "one" can only update pod status for pods with spec.nodeName set to itself`, request{resource: "pods", subresource: "status", operation: admission.Update, old: theirs, object: theirs})
	relabelled := mine.DeepCopy()
	relabelled.Labels = map[string]string{"x": "y"}
	f(`node "one" cannot update labels through pod status`, request{resource: "pods", subresource: "status", operation: admission.Update, old: mine, object: relabelled})
	f("", request{resource: "pods", operation: admission.Delete, old: mine})
	f(`node "one" can only delete pods with spec.nodeName set to itself`, request{resource: "pods", operation: admission.Delete, old: theirs})
	f(`unexpected operation "UPDATE", node "one" can only create and delete mirror pods`, request{resource: "pods", operation: admission.Update, old: mine, object: mine})
	f(`unexpected pod subresource "binding", only 'status' and 'eviction' are allowed`, request{resource: "pods", subresource: "binding", operation: admission.Create, object: &corev1.Binding{}})
	eviction := func(p *corev1.Pod) *policyv1.Eviction { return &policyv1.Eviction{ObjectMeta: p.ObjectMeta} }
	f("", request{resource: "pods", subresource: "eviction", operation: admission.Create, object: eviction(mine)})
	f("node one can only evict pods with spec.nodeName set to itself", request{resource: "pods", subresource: "eviction", operation: admission.Create, object: eviction(theirs)})

	lease := func(namespace, name string) *coordinationv1.Lease {
		return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	}
	const leases = "leases.coordination.k8s.io"
	f("", request{resource: leases, operation: admission.Update, old: lease("kube-node-lease", "one"), object: lease("kube-node-lease", "one")})
	f(`can only access node lease with the same name as the requesting node`, request{resource: leases, operation: admission.Delete, old: lease("kube-node-lease", "two")})
	f(`can only access leases in the "kube-node-lease" system namespace`, request{resource: leases, operation: admission.Update, old: lease("n", "one"), object: lease("n", "one")})
	f("may only update PVC status", request{resource: "persistentvolumeclaims", operation: admission.Update, object: &corev1.PersistentVolumeClaim{}})
}

func TestNodesHavePodRangesOfTheirOwn(t *testing.T) {
	node := func(name string, ranges ...string) *corev1.Node {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{PodCIDRs: ranges}}
	}
	c := newChain(t, node("two", "10.244.2.0/24"))
	f := func(wanted string, old, new *corev1.Node) {
		t.Helper()
		r := request{resource: "nodes", operation: admission.Create, object: new, user: &user.DefaultInfo{Name: "system:node:one", Groups: []string{user.NodesGroup}}}
		if old != nil {
			r.operation, r.old = admission.Update, old
		}
		err := c.ask(r)
		if wanted == "" {
			require.NoError(t, err)
			return
		}
		require.ErrorContains(t, err, wanted)
	}
	const theirs = `node "one" is not allowed to set spec.podCIDRs to [10.244.2.128/25]: node "two" has [10.244.2.0/24]`
	f("", nil, node("one"))
	f("", nil, node("one", "10.244.1.0/24"))
	f(theirs, nil, node("one", "10.244.2.128/25"))
	f(theirs, node("one"), node("one", "10.244.2.128/25"))
	f("", node("one", "10.244.2.128/25"), node("one", "10.244.2.128/25"))
}

func TestNodesRemoveOnlyTheirOwnFolders(t *testing.T) {
	c := newChain(t)
	old := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{
		Name: "v", Labels: map[string]string{storageclass.NodeLabel: "one"}, DeletionTimestamp: &metav1.Time{},
		Finalizers: []string{"other", storageclass.FolderFinalizer},
	}}
	f := func(wanted, node string, change func(old, v *corev1.PersistentVolume)) {
		t.Helper()
		before, after := old.DeepCopy(), old.DeepCopy()
		after.Finalizers = []string{"other"}
		change(before, after)
		err := c.ask(request{
			resource: "persistentvolumes", operation: admission.Update, old: before, object: after,
			user: &user.DefaultInfo{Name: "system:node:" + node, Groups: []string{user.NodesGroup}},
		})
		if wanted == "" {
			require.NoError(t, err)
			return
		}
		require.ErrorContains(t, err, "is forbidden: "+wanted)
	}
	f("", "one", func(_, _ *corev1.PersistentVolume) {})
	const own = ` may only update its own volumes that are being deleted`
	f(`node "two"`+own, "two", func(_, _ *corev1.PersistentVolume) {})
	f(`node "one"`+own, "one", func(before, _ *corev1.PersistentVolume) { before.DeletionTimestamp = nil })
	const only = `node "one" may only remove the finalizer lubberline.local/volume-folder from a volume`
	f(only, "one", func(_, v *corev1.PersistentVolume) { v.Finalizers = nil })
	f(only, "one", func(_, v *corev1.PersistentVolume) { v.Labels = nil })
	f(only, "one", func(_, v *corev1.PersistentVolume) { v.Spec.ClaimRef = &corev1.ObjectReference{Name: "mine"} })
}

func TestNodesMirrorTheirOwnPods(t *testing.T) {
	c := newChain(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "one", UID: "node-uid"}})
	f := func(wanted string, change func(*corev1.Pod)) {
		t.Helper()
		pod := newTestPod("m")
		pod.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"}
		pod.Spec.NodeName = "one"
		pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: "one", UID: "node-uid", Controller: ptr.To(true)}}
		change(pod)
		err := c.ask(request{resource: "pods", operation: admission.Create, object: pod, user: &user.DefaultInfo{Name: "system:node:one", Groups: []string{user.NodesGroup}}})
		if wanted == "" {
			require.NoError(t, err)
			return
		}
		require.EqualError(t, err, `pods "m" is forbidden: `+wanted)
	}
	f("", func(*corev1.Pod) {})
	f(`pod does not have "kubernetes.io/config.mirror" annotation, node "one" can only create mirror pods`, func(p *corev1.Pod) { p.Annotations = nil })
	f(`node "one" can only create pods with spec.nodeName set to itself`, func(p *corev1.Pod) { p.Spec.NodeName = "two" })
	f(`node "one" can only create pods with an owner reference set to itself`, func(p *corev1.Pod) { p.OwnerReferences = nil })
	f(`node "one" can only create pods with an owner reference set to itself`, func(p *corev1.Pod) { p.OwnerReferences[0].Name = "two" })
	f(`node "one" can only create pods with a controller owner reference set to itself`, func(p *corev1.Pod) { p.OwnerReferences[0].Controller = nil })
	f(`node "one" must not set blockOwnerDeletion on an owner reference`, func(p *corev1.Pod) { p.OwnerReferences[0].BlockOwnerDeletion = ptr.To(true) })
	f(`node one UID mismatch: expected other got node-uid`, func(p *corev1.Pod) { p.OwnerReferences[0].UID = "other" })
	f(`node "one" can not create pods that reference configmaps`, func(p *corev1.Pod) {
		p.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{}}}
	})
}

func TestNodesGetTokensOfTheirPods(t *testing.T) {
	mine, theirs := onNode("mine", "one"), onNode("theirs", "two")
	mine.UID, theirs.UID = "m", "t"
	c := newChain(t, mine, theirs)
	f := func(wanted string, ref *authenticationv1.BoundObjectReference) {
		t.Helper()
		r := request{resource: "serviceaccounts", subresource: "token", operation: admission.Create, user: &user.DefaultInfo{Name: "system:node:one", Groups: []string{user.NodesGroup}}}
		r.object = &authenticationv1.TokenRequest{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "default"}, Spec: authenticationv1.TokenRequestSpec{BoundObjectRef: ref}}
		err := c.ask(r)
		if wanted == "" {
			require.NoError(t, err)
			return
		}
		require.ErrorContains(t, err, wanted)
	}
	ref := func(name, uid string) *authenticationv1.BoundObjectReference {
		r := &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: name}
		if uid != "" {
			r.UID = theirs.UID
			if uid == "m" {
				r.UID = mine.UID
			}
		}
		return r
	}
	f("", ref("mine", "m"))
	f("node requested token bound to a pod scheduled on a different node", ref("theirs", "t"))
	f("node requested token not bound to a pod", nil)
	f("node requested token with a pod binding without a uid", ref("mine", ""))
	f("the UID in the bound object reference (t) does not match the UID in record", ref("mine", "t"))
	f(`pods "gone" not found`, ref("gone", "t"))
}

func TestWhoIsANode(t *testing.T) {
	f := func(name string, groups []string, node string, isNode bool) {
		t.Helper()
		n, is := nodeOf(&user.DefaultInfo{Name: name, Groups: groups})
		require.Equal(t, node, n)
		require.Equal(t, isNode, is)
	}
	f("system:node:one", []string{"system:nodes"}, "one", true)
	f("system:node:", []string{"system:nodes"}, "", true)
	f("system:node:one", nil, "", false)
	f("admin", []string{"system:nodes"}, "", false)
	c := newChain(t)
	err := c.ask(request{resource: "pods", operation: admission.Create, object: newTestPod("p"), user: &user.DefaultInfo{Name: "system:node:", Groups: []string{"system:nodes"}}})
	require.EqualError(t, err, `pods "p" is forbidden: could not determine node from user "system:node:"`)
}
