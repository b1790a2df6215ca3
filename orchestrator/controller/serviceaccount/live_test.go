package serviceaccount

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/controller/controllertest"
)

func TestAccountAndBundleOnTheAPIServer(t *testing.T) {
	c := controllertest.Start(t)
	controller, err := New(Options{Client: c.Client, Informers: c.Informers, RootCA: []byte("the CA"), Logger: c.Logger})
	require.NoError(t, err)
	c.Run(t, controller)
	accounts, bundles := c.Client.CoreV1().ServiceAccounts("n"), c.Client.CoreV1().ConfigMaps("n")
	hasBundle := func() bool {
		b, err := bundles.Get(t.Context(), RootCAName, metav1.GetOptions{})
		return err == nil && b.Data[RootCAKey] == "the CA" && len(b.Data) == 1 && b.Annotations[descriptionAnnotation] != ""
	}
	c.Namespace(t, "n")
	pod := c.Pod(t, "n", "at-once") // admission waits for the account
	require.Equal(t, "default", pod.Spec.ServiceAccountName)
	require.Len(t, pod.Spec.Volumes, 1)
	require.Eventually(t, hasBundle, controllertest.Wait, controllertest.Tick)

	first, err := accounts.Get(t.Context(), "default", metav1.GetOptions{})
	require.NoError(t, err)
	require.NoError(t, accounts.Delete(t.Context(), "default", metav1.DeleteOptions{}))
	require.NoError(t, bundles.Delete(t.Context(), RootCAName, metav1.DeleteOptions{}))
	require.Eventually(t, hasBundle, controllertest.Wait, controllertest.Tick)
	require.Eventually(t, func() bool {
		second, err := accounts.Get(t.Context(), "default", metav1.GetOptions{})
		return err == nil && second.UID != first.UID
	}, controllertest.Wait, controllertest.Tick)

	b, err := bundles.Get(t.Context(), RootCAName, metav1.GetOptions{})
	require.NoError(t, err)
	b.Data = map[string]string{"": "", "x": "y"}
	delete(b.Data, "")
	_, err = bundles.Update(t.Context(), b, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Eventually(t, hasBundle, controllertest.Wait, controllertest.Tick)

	_, err = c.TryPod(t.Context(), "n", "unknown-account", func(p *corev1.Pod) { p.Spec.ServiceAccountName = "nobody" })
	require.True(t, apierrors.IsForbidden(err))
	require.EqualError(t, err, `pods "unknown-account" is forbidden: error looking up service account n/nobody: serviceaccount "nobody" not found`)
}
