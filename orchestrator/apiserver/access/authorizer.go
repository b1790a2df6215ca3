package access

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// Binding gives a role to users. It is a part of the configuration file.
type Binding struct {
	// Role is "admin", "view" or "node".
	Role string `yaml:"role"`
	// Users and Groups are as certificates name them (CN and O).
	Users  []string `yaml:"users"`
	Groups []string `yaml:"groups"`
	// ServiceAccounts are "namespace:name".
	ServiceAccounts []string `yaml:"service_accounts"`
	// Namespaces restrict the role to objects in them; empty is everywhere.
	Namespaces []string `yaml:"namespaces"`
}

// Validate says what is wrong with the binding.
func (b Binding) Validate() error {
	if !slices.Contains([]string{Admin, View, Node}, b.Role) {
		return fmt.Errorf("role %q: it is admin, view or node", b.Role)
	}
	if len(b.Users)+len(b.Groups)+len(b.ServiceAccounts) == 0 {
		return fmt.Errorf("role %s is given to nobody", b.Role)
	}
	if b.Role == Node && len(b.Namespaces)+len(b.ServiceAccounts) > 0 {
		return errors.New("role node is of users and groups, and everywhere")
	}
	for _, account := range b.ServiceAccounts {
		if _, err := accountUser(account); err != nil {
			return err
		}
	}
	return nil
}

// grant is a binding with its rules.
type grant struct {
	users, groups, namespaces []string
	rules                     []Rule
}

func (g grant) isFor(u user.Info) bool {
	return slices.Contains(g.users, u.GetName()) ||
		slices.ContainsFunc(u.GetGroups(), func(group string) bool { return slices.Contains(g.groups, group) })
}

// holdsIn is false for objects elsewhere and for what is in no namespace, when
// the grant is of certain ones.
func (g grant) holdsIn(namespace string) bool {
	return len(g.namespaces) == 0 || slices.Contains(g.namespaces, namespace)
}

// Authorizer decides by the built-in roles, the bindings of the configuration
// and of the API and, for nodes, by what runs there. It is safe for concurrent
// use.
type Authorizer struct {
	grants []grant
	stored stored
	nodes  *nodes
}

var _ authorizer.RuleResolver = (*Authorizer)(nil)

// New makes an authorizer. pods are asked for what nodes may read, roles for
// what the API's own objects allow.
func New(bindings []Binding, pods Pods, roles Roles) (*Authorizer, error) {
	a := &Authorizer{grants: builtIn(), stored: stored{roles}, nodes: &nodes{pods: pods}}
	for i, b := range bindings {
		if err := b.Validate(); err != nil {
			return nil, fmt.Errorf("roles[%d]: %w", i, err)
		}
		if b.Role != Node { // WithNodes makes nodes of them
			a.grants = append(a.grants, b.grant())
		}
	}
	return a, nil
}

func (b Binding) grant() grant {
	g := grant{users: slices.Clone(b.Users), groups: b.Groups, namespaces: b.Namespaces, rules: looking()}
	if b.Role == Admin {
		g.rules = everything()
	}
	for _, account := range b.ServiceAccounts {
		name, _ := accountUser(account) // Validate has seen it
		g.users = append(g.users, name)
	}
	return g
}

func builtIn() []grant {
	return []grant{
		{groups: []string{user.SystemPrivilegedGroup, AdminGroup}, rules: everything()},
		{groups: []string{ViewGroup, serviceaccount.MakeNamespaceGroupName("kube-system")}, rules: looking()},
		{users: []string{user.KubeScheduler}, rules: scheduling()},
		{users: []string{user.KubeControllerManager}, rules: controlling()},
		{groups: []string{user.NodesGroup}, rules: shipping()},
		{groups: []string{user.AllAuthenticated}, rules: discovering()},
		{groups: []string{user.AllAuthenticated, user.AllUnauthenticated}, rules: anonymous()},
	}
}

// Authorize allows, or has no opinion, which is a no.
func (a *Authorizer) Authorize(ctx context.Context, at authorizer.Attributes) (authorizer.Decision, string, error) {
	u := at.GetUser()
	if u == nil {
		return authorizer.DecisionNoOpinion, "", nil
	}
	namespace := ""
	if at.IsResourceRequest() {
		namespace = at.GetNamespace()
	}
	for rule := range a.held(u, namespace) {
		if rule.allows(at) {
			return authorizer.DecisionAllow, "", nil
		}
	}
	return a.nodes.authorize(ctx, at)
}

// held are the rules that a user has in a namespace or, when that is empty,
// outside of all; what depends on a node's pods is not among them.
func (a *Authorizer) held(u user.Info, namespace string) iter.Seq[Rule] {
	return func(yield func(Rule) bool) {
		for _, g := range a.grants {
			if !g.isFor(u) || !g.holdsIn(namespace) {
				continue
			}
			for _, rule := range g.rules {
				if !yield(rule) {
					return
				}
			}
		}
		for rule := range a.stored.held(u, namespace) {
			if !yield(rule) {
				return
			}
		}
	}
}

// ConditionsAwareAuthorize is Authorize: no decision of ours has conditions.
func (a *Authorizer) ConditionsAwareAuthorize(ctx context.Context, at authorizer.Attributes) authorizer.ConditionsAwareDecision {
	return authorizer.ConditionsAwareDecisionFromParts(a.Authorize(ctx, at))
}

// EvaluateConditions is never asked.
func (a *Authorizer) EvaluateConditions(context.Context, authorizer.ConditionsAwareDecision, authorizer.ConditionsData) (authorizer.Decision, string, error) {
	return authorizer.DecisionDeny, "", authorizer.ErrorConditionEvaluationNotSupported
}

// RulesFor lists what the user may do in a namespace. For a node the list is
// not complete: it depends on its pods.
func (a *Authorizer) RulesFor(_ context.Context, u user.Info, namespace string) ([]authorizer.ResourceRuleInfo, []authorizer.NonResourceRuleInfo, bool, error) {
	var ofResources []authorizer.ResourceRuleInfo
	var ofPaths []authorizer.NonResourceRuleInfo
	for rule := range a.held(u, namespace) {
		if len(rule.Paths) > 0 {
			ofPaths = append(ofPaths, rule.pathInfo())
		} else {
			ofResources = append(ofResources, rule.resourceInfo())
		}
	}
	_, incomplete := NodeName(u)
	return ofResources, ofPaths, incomplete, nil
}
