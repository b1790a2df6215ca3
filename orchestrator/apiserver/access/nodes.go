package access

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/lubberline/lubberline/orchestrator/storageclass"
)

// Pods knows which pods are on a node. The pods are only read.
type Pods interface {
	OnNode(ctx context.Context, node string) ([]corev1.Pod, error)
}

const nodeUser = "system:node:"

// NodeName is the node that a user is.
func NodeName(u user.Info) (string, bool) {
	if !slices.Contains(u.GetGroups(), user.NodesGroup) {
		return "", false
	}
	return strings.CutPrefix(u.GetName(), nodeUser)
}

// nodeRules are what any node may do. Admission sees to it that what a node
// writes is its own; nodes decides on reading.
func nodeRules() []Rule {
	return []Rule{
		resources("", "services", "nodes").with(read...), // what the node's proxy and routes are made of
		resources("discovery.k8s.io", "endpointslices").with(read...),
		resources("", "nodes").with("create", "update", "patch"),
		resources("", "nodes/status", "pods/status").with("update", "patch"),
		resources("", "pods").with("delete"),
		resources("", "pods/eviction").with("create"),
		resources("", "persistentvolumeclaims/status").with("update", "patch"),
		eventWriting(""), eventWriting("events.k8s.io"),
		resources("authentication.k8s.io", "tokenreviews").with("create"),
		resources("authorization.k8s.io", "subjectaccessreviews").with("create"),
	}
}

// nodes decides what each node may read: its pods, and what they refer to.
type nodes struct {
	pods Pods
}

func (n *nodes) authorize(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	node, ok := NodeName(a.GetUser())
	if !ok || !a.IsResourceRequest() {
		return authorizer.DecisionNoOpinion, "", nil
	}
	if slices.ContainsFunc(nodeRules(), func(r Rule) bool { return r.allows(a) }) {
		return authorizer.DecisionAllow, "", nil
	}
	allowed, err := n.allows(ctx, node, a)
	if err != nil {
		return authorizer.DecisionNoOpinion, "", err
	}
	if !allowed {
		return authorizer.DecisionNoOpinion, fmt.Sprintf("no relationship found between node '%s' and this object", node), nil
	}
	return authorizer.DecisionAllow, "", nil
}

func (n *nodes) allows(ctx context.Context, node string, a authorizer.Attributes) (bool, error) {
	reading := slices.Contains(read, a.GetVerb())
	switch a.GetAPIGroup() + "/" + a.GetResource() {
	case "coordination.k8s.io/leases":
		return a.GetNamespace() == corev1.NamespaceNodeLease && (a.GetVerb() == "create" || named(a) == node), nil
	case "/pods":
		return n.allowsPod(ctx, node, a)
	case "/secrets", "/configmaps", "/persistentvolumeclaims":
		return n.refers(ctx, node, a, reading && a.GetSubresource() == "")
	case "/serviceaccounts":
		return n.refers(ctx, node, a, a.GetVerb() == "create" && a.GetSubresource() == "token" || a.GetVerb() == "get")
	case "/persistentvolumes":
		return a.GetSubresource() == "" && allowsVolume(node, a), nil
	}
	return false, nil
}

// allowsVolume: a node reads any volume by its name, and lists those that are
// folders of its own; what it may update of those is for admission to say.
func allowsVolume(node string, a authorizer.Attributes) bool {
	switch a.GetVerb() {
	case "get", "update":
		return true
	}
	requirements, err := a.GetLabelSelector()
	return err == nil && slices.Contains(read, a.GetVerb()) && slices.ContainsFunc(requirements, func(r labels.Requirement) bool {
		equals := r.Operator() == selection.Equals || r.Operator() == selection.DoubleEquals || r.Operator() == selection.In
		return r.Key() == storageclass.NodeLabel && equals && slices.Equal(r.ValuesUnsorted(), []string{node})
	})
}

// allowsPod: a node reads its pods, by name or by the field that says whose
// they are.
func (n *nodes) allowsPod(ctx context.Context, node string, a authorizer.Attributes) (bool, error) {
	if a.GetSubresource() != "" || !slices.Contains(read, a.GetVerb()) {
		return false, nil
	}
	if a.GetVerb() != "get" {
		return selected(a, "spec.nodeName") == node, nil
	}
	return n.any(ctx, node, func(p *corev1.Pod) bool { return p.Namespace == a.GetNamespace() && p.Name == a.GetName() })
}

func (n *nodes) refers(ctx context.Context, node string, a authorizer.Attributes, verb bool) (bool, error) {
	name := named(a)
	if !verb || name == "" {
		return false, nil
	}
	return n.any(ctx, node, func(p *corev1.Pod) bool {
		return p.Namespace == a.GetNamespace() && refersTo(p, a.GetResource(), name)
	})
}

func (n *nodes) any(ctx context.Context, node string, is func(*corev1.Pod) bool) (bool, error) {
	pods, err := n.pods.OnNode(ctx, node)
	if err != nil {
		return false, fmt.Errorf("pods of node %s: %w", node, err)
	}
	for i := range pods {
		if is(&pods[i]) {
			return true, nil
		}
	}
	return false, nil
}

// named is the one object that a request is about, by its path or by a
// selector of a list or watch.
func named(a authorizer.Attributes) string {
	if a.GetName() != "" {
		return a.GetName()
	}
	return selected(a, "metadata.name")
}

// selected is the value that a field must have, empty when it may have others.
func selected(a authorizer.Attributes, field string) string {
	requirements, err := a.GetFieldSelector()
	if err != nil {
		return ""
	}
	for _, r := range requirements {
		if r.Field == field && (r.Operator == selection.Equals || r.Operator == selection.DoubleEquals) {
			return r.Value
		}
	}
	return ""
}

// accountUser is the user that "namespace:name" authenticates as.
func accountUser(account string) (string, error) {
	namespace, name, found := strings.Cut(account, ":")
	if !found || namespace == "" || name == "" {
		return "", fmt.Errorf("service account %q: want namespace:name", account)
	}
	return serviceaccount.MakeUsername(namespace, name), nil
}

// WithNodes puts the users to whom the node role is bound into the nodes'
// group, so that admission holds them to their own objects too.
func WithNodes(inner authenticator.Request, bindings []Binding) authenticator.Request {
	var bound []grant
	for _, b := range bindings {
		if b.Role == Node {
			bound = append(bound, grant{users: b.Users, groups: b.Groups})
		}
	}
	return authenticator.RequestFunc(func(r *http.Request) (*authenticator.Response, bool, error) {
		answer, ok, err := inner.AuthenticateRequest(r)
		if err != nil || !ok || !slices.ContainsFunc(bound, func(g grant) bool { return g.isFor(answer.User) }) {
			return answer, ok, err
		}
		u := answer.User
		answer.User = &user.DefaultInfo{
			Name: u.GetName(), UID: u.GetUID(), Groups: append(slices.Clone(u.GetGroups()), user.NodesGroup), Extra: u.GetExtra(),
		}
		return answer, ok, nil
	})
}
