// Package access says what users may do: built-in roles, bindings of users,
// groups and service accounts to them, and the narrow rights of nodes.
package access

import (
	"slices"
	"strings"

	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// all matches everything in a rule's list.
const all = "*"

// Rule allows its verbs on resources of its groups, or on paths.
type Rule struct {
	Verbs []string
	// Groups and Resources say which resources; "pods/log" is a subresource,
	// "*/scale" that of every resource, "*" every resource and subresource.
	Groups, Resources []string
	// Names restricts the rule to objects of these names.
	Names []string
	// Paths are URLs; one that ends in "*" is a prefix.
	Paths []string
}

func (r Rule) allows(a authorizer.Attributes) bool {
	if !has(r.Verbs, a.GetVerb()) {
		return false
	}
	if !a.IsResourceRequest() {
		return slices.ContainsFunc(r.Paths, func(p string) bool { return pathMatches(p, a.GetPath()) })
	}
	return has(r.Groups, a.GetAPIGroup()) && r.covers(a.GetResource(), a.GetSubresource()) &&
		(len(r.Names) == 0 || slices.Contains(r.Names, a.GetName()))
}

func (r Rule) covers(resource, sub string) bool {
	if sub == "" {
		return has(r.Resources, resource)
	}
	return has(r.Resources, resource+"/"+sub) || slices.Contains(r.Resources, all+"/"+sub)
}

func has(list []string, one string) bool {
	return slices.Contains(list, one) || slices.Contains(list, all)
}

func pathMatches(pattern, path string) bool {
	if prefix, found := strings.CutSuffix(pattern, all); found {
		return strings.HasPrefix(path, prefix)
	}
	return pattern == path
}

// resourceInfo and pathInfo are the rule as kubectl auth can-i --list shows it.
func (r Rule) resourceInfo() authorizer.ResourceRuleInfo {
	return &authorizer.DefaultResourceRuleInfo{Verbs: r.Verbs, APIGroups: r.Groups, Resources: r.Resources, ResourceNames: r.Names}
}

func (r Rule) pathInfo() authorizer.NonResourceRuleInfo {
	return &authorizer.DefaultNonResourceRuleInfo{Verbs: r.Verbs, NonResourceURLs: r.Paths}
}
