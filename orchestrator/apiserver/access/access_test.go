package access

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/lubberline/lubberline/orchestrator/storageclass"
)

var noRoles = &roles{}

// podsOn is a Pods of a map.
type podsOn map[string][]corev1.Pod

func (p podsOn) OnNode(_ context.Context, node string) ([]corev1.Pod, error) {
	if node == "broken" {
		return nil, errors.New("store is away")
	}
	return p[node], nil
}

func as(name string, groups ...string) user.Info {
	return &user.DefaultInfo{Name: name, Groups: append(groups, user.AllAuthenticated)}
}

// to is a request for an object or, without a name, for all.
func to(u user.Info, verb, group, resource, subresource, namespace, name string) authorizer.AttributesRecord {
	return authorizer.AttributesRecord{
		User: u, Verb: verb, APIGroup: group, Resource: resource, Subresource: subresource, Namespace: namespace, Name: name, ResourceRequest: true,
	}
}

// volumesOf is a watch of the volumes that are folders of a node.
func volumesOf(u user.Info, node string) authorizer.AttributesRecord {
	a := to(u, "watch", "", "persistentvolumes", "", "", "")
	a.LabelSelectorRequirements, _ = labels.SelectorFromSet(labels.Set{storageclass.NodeLabel: node}).Requirements()
	return a
}

func path(u user.Info, p string) authorizer.AttributesRecord {
	return authorizer.AttributesRecord{User: u, Verb: "get", Path: p}
}

func allowed(t *testing.T, a *Authorizer, at authorizer.Attributes) bool {
	t.Helper()
	decision, _, err := a.Authorize(t.Context(), at)
	require.NoError(t, err)
	return decision == authorizer.DecisionAllow
}

func TestRoles(t *testing.T) {
	a, err := New([]Binding{
		{Role: View, Users: []string{"ann"}, ServiceAccounts: []string{"apps:reader"}},
		{Role: Admin, Groups: []string{"devs"}, Namespaces: []string{"dev"}},
	}, podsOn{}, noRoles)
	require.NoError(t, err)
	admin, ann, dev := as("root", user.SystemPrivilegedGroup), as("ann"), as("dan", "devs")
	anonymous := &user.DefaultInfo{Name: user.Anonymous, Groups: []string{user.AllUnauthenticated}}
	account := as(serviceaccount.MakeUsername("apps", "reader"))
	system := as("system:serviceaccount:kube-system:dns", serviceaccount.MakeGroupNames("kube-system")...)
	cases := []struct {
		what string
		at   authorizer.Attributes
		want bool
	}{
		{"admin everything", to(admin, "delete", "apps", "deployments", "", "x", "y"), true},
		{"admin paths", path(admin, "/debug/pprof"), true},
		{"view pods", to(ann, "list", "", "pods", "", "x", ""), true},
		{"view logs", to(ann, "get", "", "pods", "log", "x", "y"), true},
		{"view no secrets", to(ann, "get", "", "secrets", "", "x", "y"), false},
		{"view does not exec", to(ann, "create", "", "pods", "exec", "x", "y"), false},
		{"view does not write", to(ann, "update", "", "pods", "", "x", "y"), false},
		{"view metrics", path(ann, "/metrics"), true},
		{"account bound", to(account, "watch", "apps", "replicasets", "", "x", ""), true},
		{"account of kube-system", to(system, "list", "discovery.k8s.io", "endpointslices", "", "", ""), true},
		{"account of kube-system no secrets", to(system, "list", "", "secrets", "", "", ""), false},
		{"own namespace", to(dev, "create", "", "pods", "", "dev", ""), true},
		{"other namespace", to(dev, "create", "", "pods", "", "prod", ""), false},
		{"no paths of a namespace", path(dev, "/metrics"), false},
		{"no namespace", to(dev, "delete", "", "nodes", "", "", "n"), false},
		{"discovery", path(dev, "/apis/apps/v1"), true},
		{"self review", to(dev, "create", "authorization.k8s.io", "selfsubjectaccessreviews", "", "", ""), true},
		{"keys", path(account, "/openid/v1/jwks"), true},
		{"health without a name", path(anonymous, "/readyz"), true},
		{"discovery without a name", path(anonymous, "/api"), false},
		{"nothing without a name", to(anonymous, "list", "", "pods", "", "x", ""), false},
		{"scheduler binds", to(as(user.KubeScheduler), "create", "", "pods", "binding", "x", "y"), true},
		{"scheduler reads no secrets", to(as(user.KubeScheduler), "get", "", "secrets", "", "x", "y"), false},
		{"controllers write", to(as(user.KubeControllerManager), "create", "", "pods", "", "x", ""), true},
	}
	for _, c := range cases {
		t.Run(c.what, func(t *testing.T) { require.Equal(t, c.want, allowed(t, a, c.at)) })
	}
}

func TestBindingsThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		b    Binding
		want string
	}{
		{Binding{Role: "owner", Users: []string{"a"}}, `roles[0]: role "owner": it is admin, view or node`},
		{Binding{Role: View}, "roles[0]: role view is given to nobody"},
		{Binding{Role: View, ServiceAccounts: []string{"a"}}, `roles[0]: service account "a": want namespace:name`},
		{Binding{Role: Node, Users: []string{"a"}, Namespaces: []string{"b"}}, "roles[0]: role node is of users and groups, and everywhere"},
	} {
		_, err := New([]Binding{c.b}, podsOn{}, noRoles)
		require.EqualError(t, err, c.want)
	}
}

// podOf refers to one object in every way that there is.
func podOf(ways int) corev1.Pod {
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "x", Name: "p"}, Spec: corev1.PodSpec{ServiceAccountName: "sa"}}
	named := corev1.LocalObjectReference{Name: "o"}
	container := corev1.Container{}
	switch ways {
	case 0:
		p.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "o"}}}, {VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: named}}}}
	case 1:
		p.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{Secret: &corev1.SecretProjection{LocalObjectReference: named}}, {ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: named}},
		}}}}}
	case 2:
		container.EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: named}}, {ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: named}}}
	case 3:
		container.Env = []corev1.EnvVar{
			{ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: named}}},
			{ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: named}}},
		}
	}
	p.Spec.InitContainers = []corev1.Container{container}
	return p
}

const ways = 4

func TestNodeReadsWhatItsPodsReferTo(t *testing.T) {
	node := as("system:node:n", user.NodesGroup)
	for way := range ways {
		a, err := New(nil, podsOn{"n": {podOf(way)}}, noRoles)
		require.NoError(t, err)
		for _, resource := range []string{"secrets", "configmaps"} {
			require.True(t, allowed(t, a, to(node, "get", "", resource, "", "x", "o")), "%s %d", resource, way)
			require.False(t, allowed(t, a, to(node, "get", "", resource, "", "x", "other")))
			require.False(t, allowed(t, a, to(node, "get", "", resource, "", "y", "o")))
			require.False(t, allowed(t, a, to(node, "list", "", resource, "", "x", "")))
			require.False(t, allowed(t, a, to(node, "update", "", resource, "", "x", "o")))
			one := to(node, "watch", "", resource, "", "x", "")
			one.FieldSelectorRequirements = fields.OneTermEqualSelector("metadata.name", "o").Requirements()
			require.True(t, allowed(t, a, one), "by selector")
			require.False(t, allowed(t, a, to(as("system:node:m", user.NodesGroup), "get", "", resource, "", "x", "o")), "another node")
			require.False(t, allowed(t, a, to(as("system:node:n"), "get", "", resource, "", "x", "o")), "without the group")
		}
	}
}

func TestNode(t *testing.T) {
	p := podOf(0)
	p.Spec.Volumes = append(p.Spec.Volumes,
		corev1.Volume{VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "c"}}},
		corev1.Volume{VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{}},
		}}}})
	p.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "pull"}}
	a, err := New(nil, podsOn{"n": {p}}, noRoles)
	require.NoError(t, err)
	n := as("system:node:n", user.NodesGroup)
	own := to(n, "list", "", "pods", "", "", "")
	own.FieldSelectorRequirements = fields.OneTermEqualSelector("spec.nodeName", "n").Requirements()
	others := to(n, "list", "", "pods", "", "", "")
	others.FieldSelectorRequirements = fields.OneTermEqualSelector("spec.nodeName", "m").Requirements()
	cases := []struct {
		what string
		at   authorizer.Attributes
		want bool
	}{
		{"its pods", own, true},
		{"another's pods", others, false},
		{"all pods", to(n, "list", "", "pods", "", "", ""), false},
		{"a pod of its", to(n, "get", "", "pods", "", "x", "p"), true},
		{"another pod", to(n, "get", "", "pods", "", "x", "q"), false},
		{"exec", to(n, "create", "", "pods", "exec", "x", "p"), false},
		{"status", to(n, "patch", "", "pods", "status", "x", "p"), true},
		{"new pods", to(n, "create", "", "pods", "", "x", ""), false},
		{"itself", to(n, "get", "", "nodes", "", "", "n"), true},
		{"another node, for its addresses", to(n, "list", "", "nodes", "", "", ""), true},
		{"its lease", to(n, "update", "coordination.k8s.io", "leases", "", "kube-node-lease", "n"), true},
		{"another's lease", to(n, "update", "coordination.k8s.io", "leases", "", "kube-node-lease", "m"), false},
		{"a lease elsewhere", to(n, "update", "coordination.k8s.io", "leases", "", "x", "n"), false},
		{"its pod's token", to(n, "create", "", "serviceaccounts", "token", "x", "sa"), true},
		{"another's token", to(n, "create", "", "serviceaccounts", "token", "x", "sb"), false},
		{"its pod's claim", to(n, "get", "", "persistentvolumeclaims", "", "x", "c"), true},
		{"its pod's pull secret", to(n, "get", "", "secrets", "", "x", "pull"), true},
		{"the authority's certificate", to(n, "get", "", "configmaps", "", "x", "kube-root-ca.crt"), true},
		{"services", to(n, "watch", "", "services", "", "", ""), true},
		{"events", to(n, "create", "events.k8s.io", "events", "", "x", ""), true},
		{"a volume", to(n, "get", "", "persistentvolumes", "", "", "v"), true},
		{"its own folders", volumesOf(n, "n"), true},
		{"another's folders", volumesOf(n, "m"), false},
		{"all volumes", to(n, "list", "", "persistentvolumes", "", "", ""), false},
		{"a volume's status", to(n, "update", "", "persistentvolumes", "status", "", "v"), false},
		{"new volumes", to(n, "create", "", "persistentvolumes", "", "", ""), false},
		{"deployments", to(n, "list", "apps", "deployments", "", "", ""), false},
		{"paths", path(n, "/metrics"), false},
	}
	for _, c := range cases {
		t.Run(c.what, func(t *testing.T) { require.Equal(t, c.want, allowed(t, a, c.at)) })
	}
	_, reason, err := a.Authorize(t.Context(), to(n, "get", "", "pods", "", "x", "q"))
	require.NoError(t, err)
	require.Equal(t, "no relationship found between node 'n' and this object", reason)
	_, _, err = a.Authorize(t.Context(), to(as("system:node:broken", user.NodesGroup), "get", "", "pods", "", "x", "q"))
	require.EqualError(t, err, "pods of node broken: store is away")
}

// fixed authenticates everybody as the same.
type fixed struct{ user user.Info }

func (f fixed) AuthenticateRequest(*http.Request) (*authenticator.Response, bool, error) {
	return &authenticator.Response{User: f.user}, true, nil
}

func TestBoundNodesAreHeldToTheirOwn(t *testing.T) {
	known := func(name string) authenticator.Request {
		return WithNodes(fixed{as(name)}, []Binding{{Role: Node, Users: []string{"system:node:n"}}, {Role: View, Users: []string{"ann"}}})
	}
	answer, ok, err := known("system:node:n").AuthenticateRequest(nil)
	require.NoError(t, err)
	require.True(t, ok)
	require.Contains(t, answer.User.GetGroups(), user.NodesGroup)
	answer, _, err = known("ann").AuthenticateRequest(nil)
	require.NoError(t, err)
	require.NotContains(t, answer.User.GetGroups(), user.NodesGroup)
}

func TestRulesAreListed(t *testing.T) {
	a, err := New([]Binding{{Role: Admin, Users: []string{"dan"}, Namespaces: []string{"dev"}}}, podsOn{}, noRoles)
	require.NoError(t, err)
	in, _, incomplete, err := a.RulesFor(t.Context(), as("dan"), "dev")
	require.NoError(t, err)
	require.False(t, incomplete)
	elsewhere, paths, _, err := a.RulesFor(t.Context(), as("dan"), "prod")
	require.NoError(t, err)
	require.Len(t, in, len(elsewhere)+1)
	require.NotEmpty(t, paths)
	_, _, incomplete, err = a.RulesFor(t.Context(), as("system:node:n", user.NodesGroup), "dev")
	require.NoError(t, err)
	require.True(t, incomplete)
}
