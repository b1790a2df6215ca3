package access

import (
	"slices"

	"github.com/lubberline/lubberline/orchestrator/join"
)

// The roles that a binding may name.
const (
	Admin = "admin"
	View  = "view"
	Node  = "node"
)

// The groups that are bound to a role without configuration, for certificates
// that carry them.
const (
	AdminGroup = "lubberline:admin"
	ViewGroup  = "lubberline:view"
)

var (
	read  = []string{"get", "list", "watch"}
	write = []string{"create", "update", "patch", "delete", "deletecollection"}
)

func resources(group string, names ...string) Rule {
	return Rule{Groups: []string{group}, Resources: names}
}

func (r Rule) with(verbs ...string) Rule {
	r.Verbs = verbs
	return r
}

// everything is what an administrator may do.
func everything() []Rule {
	return []Rule{
		{Verbs: []string{all}, Groups: []string{all}, Resources: []string{all}},
		{Verbs: []string{all}, Paths: []string{all}},
	}
}

// looking is reading everything but secrets and what is inside containers: what
// viewing sees in namespaces, and what is in none.
func looking() []Rule {
	return append(viewing(),
		resources("", "nodes", "nodes/status", "persistentvolumes", "persistentvolumes/status", "podtemplates").with(read...),
		resources("coordination.k8s.io", "leases").with(read...),
		resources("scheduling.k8s.io", "priorityclasses").with(read...),
		resources("storage.k8s.io", "storageclasses").with(read...),
		resources("metrics.k8s.io", "nodes").with(read...),
		Rule{Verbs: []string{"get"}, Paths: []string{"/metrics", "/metrics/*"}},
	)
}

// discovering is what every known user may do: learn what the API has, and who
// it is itself.
func discovering() []Rule {
	return []Rule{
		{Verbs: []string{"get"}, Paths: []string{
			"/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", "/healthz", "/livez", "/readyz", "/version", "/version/",
			"/.well-known/openid-configuration", "/.well-known/openid-configuration/", "/openid/v1/jwks", "/openid/v1/jwks/",
		}},
		resources("authorization.k8s.io", "selfsubjectaccessreviews", "selfsubjectrulesreviews").with("create"),
		resources("authentication.k8s.io", "selfsubjectreviews").with("create"),
	}
}

// anonymous is what needs no name. Whoever wants to join says who it is within
// the request.
func anonymous() []Rule {
	return []Rule{
		{Verbs: []string{"get"}, Paths: []string{"/healthz", "/livez", "/readyz", "/version", "/version/", join.PathCA}},
		{Verbs: []string{"post"}, Paths: []string{join.PathJoin}},
	}
}

// shipping is sending what a node's collector has read.
func shipping() []Rule {
	return []Rule{{Verbs: []string{"post"}, Paths: []string{join.PathWrite}}}
}

func scheduling() []Rule {
	return []Rule{
		resources("", "nodes", "namespaces", "services", "replicationcontrollers", "persistentvolumeclaims", "persistentvolumes").with(read...),
		resources("", "pods").with("get", "list", "watch", "delete"),
		resources("", "pods/binding", "bindings").with("create"),
		resources("", "pods/status").with("update", "patch"),
		resources("apps", "replicasets", "daemonsets").with(read...),
		resources("policy", "poddisruptionbudgets").with(read...),
		resources("scheduling.k8s.io", "priorityclasses").with(read...),
		resources("storage.k8s.io", "storageclasses").with(read...),
		resources("", "persistentvolumeclaims", "persistentvolumes").with("update", "patch"),
		eventWriting(""), eventWriting("events.k8s.io"), leaseKeeping(),
	}
}

func controlling() []Rule {
	return []Rule{{Verbs: slices.Concat(read, write), Groups: []string{all}, Resources: []string{all}}}
}

func eventWriting(group string) Rule {
	return resources(group, "events").with("create", "patch", "update")
}

func leaseKeeping() Rule {
	return resources("coordination.k8s.io", "leases").with("get", "list", "watch", "create", "update", "patch", "delete")
}
