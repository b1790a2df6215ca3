package apiserver_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/lubberline/lubberline/orchestrator/apiserver"
	"github.com/lubberline/lubberline/orchestrator/apiserver/apitest"
)

// account makes a service account and is a client of it.
func account(t *testing.T, s *apiserver.Server, namespace, name string) kubernetes.Interface {
	t.Helper()
	cfg, admin := overNetwork(t, s)
	accounts := admin.CoreV1().ServiceAccounts(namespace)
	_, err := accounts.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	require.NoError(t, err)
	answer, err := accounts.CreateToken(t.Context(), name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	require.NoError(t, err)
	anonymous := rest.AnonymousClientConfig(cfg)
	anonymous.BearerToken = answer.Status.Token
	return client(t, anonymous)
}

func bindTo(role string, subjects ...rbacv1.Subject) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role}, Subjects: subjects,
		RoleRef: rbacv1.RoleRef{Kind: "Role", Name: role},
	}
}

func TestRolesOfTheAPIAreHeeded(t *testing.T) {
	s := apitest.Start(t)
	admin := apitest.Admin(t, s).RbacV1()
	robot := account(t, s, "default", "robot")
	maps := robot.CoreV1().ConfigMaps("default")
	_, err := maps.List(t.Context(), metav1.ListOptions{})
	require.True(t, apierrors.IsForbidden(err))

	_, err = admin.Roles("default").Create(t.Context(), &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: "reader"},
		Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"list"}},
			{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"roles"}, Verbs: []string{"create"}},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	made, err := admin.RoleBindings("default").Create(t.Context(), bindTo("reader", rbacv1.Subject{Kind: "ServiceAccount", Name: "robot"}), metav1.CreateOptions{})
	require.NoError(t, err)
	require.Equal(t, rbacv1.GroupName, made.RoleRef.APIGroup)
	require.Eventually(t, func() bool {
		_, err := maps.List(t.Context(), metav1.ListOptions{})
		return err == nil
	}, 20*time.Second, 5*time.Millisecond)
	_, err = robot.CoreV1().ConfigMaps("kube-system").List(t.Context(), metav1.ListOptions{})
	require.True(t, apierrors.IsForbidden(err), "another namespace")

	_, err = robot.RbacV1().Roles("default").Create(t.Context(), &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: "more"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}}},
	}, metav1.CreateOptions{})
	require.ErrorContains(t, err, `is attempting to grant RBAC permissions not currently held:`)

	require.NoError(t, admin.RoleBindings("default").Delete(t.Context(), "reader", metav1.DeleteOptions{}))
	require.Eventually(t, func() bool {
		_, err := maps.List(t.Context(), metav1.ListOptions{})
		return apierrors.IsForbidden(err)
	}, 20*time.Second, 5*time.Millisecond)
}

func TestRolesAreThereFromTheStart(t *testing.T) {
	s := apitest.Start(t)
	roles := apitest.Admin(t, s).RbacV1()
	for _, name := range []string{"cluster-admin", "admin", "edit", "view"} {
		_, err := roles.ClusterRoles().Get(t.Context(), name, metav1.GetOptions{})
		require.NoError(t, err)
	}
	_, err := roles.ClusterRoleBindings().Get(t.Context(), "cluster-admin", metav1.GetOptions{})
	require.NoError(t, err)
}
