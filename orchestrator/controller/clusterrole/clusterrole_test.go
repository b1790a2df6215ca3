package clusterrole

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/controller/controllertest"
)

func resources(role *rbacv1.ClusterRole) (names []string) {
	for _, rule := range role.Rules {
		names = append(names, rule.Resources...)
	}
	return names
}

func TestRolesGatherOthers(t *testing.T) {
	c := controllertest.Start(t)
	controller, err := New(Options{Client: c.Client, Informers: c.Informers, Logger: c.Logger})
	require.NoError(t, err)
	c.Run(t, controller)
	roles := c.Client.RbacV1().ClusterRoles()
	holds := func(name, resource string) func() bool {
		return func() bool {
			role, err := roles.Get(t.Context(), name, metav1.GetOptions{})
			return err == nil && slices.Contains(resources(role), resource)
		}
	}
	for _, c := range []struct{ role, resource string }{
		{"view", "pods/log"}, {"edit", "pods/log"}, {"edit", "secrets"}, {"admin", "pods/log"}, {"admin", "rolebindings"},
	} {
		require.Eventually(t, holds(c.role, c.resource), controllertest.Wait, controllertest.Tick, "%s in %s", c.resource, c.role)
	}
	require.False(t, holds("view", "secrets")())

	own := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "widgets", Labels: map[string]string{"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"example.com"}, Resources: []string{"widgets"}, Verbs: []string{"get"}}},
	}
	_, err = roles.Create(t.Context(), own, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Eventually(t, holds("admin", "widgets"), controllertest.Wait, controllertest.Tick, "through view and edit")
	require.NoError(t, roles.Delete(t.Context(), "widgets", metav1.DeleteOptions{}))
	require.Eventually(t, func() bool { return !holds("admin", "widgets")() }, controllertest.Wait, controllertest.Tick)
}
