package namespace

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lubberline/lubberline/orchestrator/controller/controllertest"
)

func TestNamespacesOnTheAPIServer(t *testing.T) {
	c := controllertest.Start(t)
	controller, err := New(Options{Client: c.Client, Metadata: c.Metadata, Informers: c.Informers, Logger: c.Logger})
	require.NoError(t, err)
	c.Run(t, controller)
	t.Run("pods go first", func(t *testing.T) { podsGoFirst(t, c) })
	t.Run("everything goes", func(t *testing.T) { everythingGoes(t, c) })
	t.Run("other finalizers", func(t *testing.T) { otherFinalizers(t, c) })
}

func gone(t *testing.T, c *controllertest.Cluster, name string) func() bool {
	return func() bool {
		_, err := c.Client.CoreV1().Namespaces().Get(t.Context(), name, metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	}
}

func conditionOf(ns *corev1.Namespace, kind corev1.NamespaceConditionType) corev1.NamespaceCondition {
	i := slices.IndexFunc(ns.Status.Conditions, func(c corev1.NamespaceCondition) bool { return c.Type == kind })
	if i < 0 {
		return corev1.NamespaceCondition{}
	}
	return ns.Status.Conditions[i]
}

func podsGoFirst(t *testing.T, c *controllertest.Cluster) {
	const held = "example.com/held"
	core := c.Client.CoreV1()
	c.Namespace(t, "ordered")
	c.Account(t, "ordered")
	c.Pod(t, "ordered", "p", func(p *corev1.Pod) { p.Finalizers = []string{held} })
	_, err := core.ConfigMaps("ordered").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "c"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, core.Namespaces().Delete(t.Context(), "ordered", metav1.DeleteOptions{}))

	var ns *corev1.Namespace
	require.Eventually(t, func() bool {
		ns, err = core.Namespaces().Get(t.Context(), "ordered", metav1.GetOptions{})
		return err == nil && len(ns.Status.Conditions) > 0
	}, controllertest.Wait, controllertest.Tick)
	require.Equal(t, corev1.NamespaceTerminating, ns.Status.Phase)
	failure := conditionOf(ns, corev1.NamespaceDeletionContentFailure)
	require.Equal(t, corev1.ConditionFalse, failure.Status)
	require.Equal(t, "All content successfully deleted, may be waiting on finalization", failure.Message)
	remaining := conditionOf(ns, corev1.NamespaceContentRemaining)
	require.Equal(t, corev1.ConditionTrue, remaining.Status)
	require.Equal(t, "Some resources are remaining: pods. has 1 resource instances", remaining.Message)
	finalizers := conditionOf(ns, corev1.NamespaceFinalizersRemaining)
	require.Equal(t, "SomeFinalizersRemain", finalizers.Reason)
	require.Equal(t, "Some content in the namespace has finalizers remaining: example.com/held in 1 resource instances", finalizers.Message)

	_, err = core.ConfigMaps("ordered").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "d"}}, metav1.CreateOptions{})
	require.True(t, apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause), "%v", err)
	require.ErrorContains(t, err, `configmaps "d" is forbidden: unable to create new content in namespace ordered because it is being terminated`)
	_, err = core.ConfigMaps("ordered").Get(t.Context(), "c", metav1.GetOptions{})
	require.NoError(t, err, "it goes after the pods")
	pod, err := core.Pods("ordered").Get(t.Context(), "p", metav1.GetOptions{})
	require.NoError(t, err)
	require.NotNil(t, pod.DeletionTimestamp)
	pod.Finalizers = nil
	_, err = core.Pods("ordered").Update(t.Context(), pod, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Eventually(t, gone(t, c, "ordered"), controllertest.Wait, controllertest.Tick)
	_, err = core.ConfigMaps("ordered").Get(t.Context(), "c", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err))
}

func everythingGoes(t *testing.T, c *controllertest.Cluster) {
	core := c.Client.CoreV1()
	for range 2 { // the same name again
		c.Namespace(t, "full")
		c.Account(t, "full")
		c.Pod(t, "full", "p")
		service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "s"}, Spec: corev1.ServiceSpec{
			Selector: map[string]string{"a": "b"}, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(80)}},
		}}
		_, err := core.Services("full").Create(t.Context(), service, metav1.CreateOptions{})
		require.NoError(t, err)
		_, err = core.Secrets("full").Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s"}}, metav1.CreateOptions{})
		require.NoError(t, err)
		require.NoError(t, core.Namespaces().Delete(t.Context(), "full", metav1.DeleteOptions{}))
		require.Eventually(t, gone(t, c, "full"), controllertest.Wait, controllertest.Tick)
		secrets, err := core.Secrets("full").List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		require.Empty(t, secrets.Items)
		services, err := core.Services("full").List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		require.Empty(t, services.Items)
	}
}

// otherFinalizers: somebody else may hold an emptied namespace.
func otherFinalizers(t *testing.T, c *controllertest.Cluster) {
	namespaces := c.Client.CoreV1().Namespaces()
	const held corev1.FinalizerName = "e2e.example.com/fakeFinalizer"
	c.Namespace(t, "held")
	ns, err := namespaces.Get(t.Context(), "held", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, []corev1.FinalizerName{corev1.FinalizerKubernetes}, ns.Spec.Finalizers)
	ns.Spec.Finalizers = append(ns.Spec.Finalizers, held)
	ns, err = namespaces.Finalize(t.Context(), ns, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Len(t, ns.Spec.Finalizers, 2)
	require.NoError(t, namespaces.Delete(t.Context(), "held", metav1.DeleteOptions{}))
	require.Eventually(t, func() bool {
		ns, err = namespaces.Get(t.Context(), "held", metav1.GetOptions{})
		return err == nil && slices.Equal(ns.Spec.Finalizers, []corev1.FinalizerName{held})
	}, controllertest.Wait, controllertest.Tick)
	ns.Spec.Finalizers = nil
	_, err = namespaces.Finalize(t.Context(), ns, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Eventually(t, gone(t, c, "held"), controllertest.Wait, controllertest.Tick)
}
