package registry_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func TestNamespaceGoesAfterItsContent(t *testing.T) {
	_, c := start(t)
	namespaces := c.CoreV1().Namespaces()
	made, err := namespaces.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "team-"}}, create)
	require.NoError(t, err)
	name := made.Name
	require.Equal(t, corev1.NamespaceActive, made.Status.Phase)
	require.Equal(t, []corev1.FinalizerName{corev1.FinalizerKubernetes}, made.Spec.Finalizers)
	require.Equal(t, name, made.Labels[corev1.LabelMetadataName], "of a generated name too")

	err = namespaces.Delete(t.Context(), name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: ptr.To(made.UID + "x")}})
	require.ErrorContains(t, err, "Precondition failed: UID in precondition: "+string(made.UID)+"x, UID in object meta: "+string(made.UID))
	require.NoError(t, namespaces.Delete(t.Context(), name, metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}))
	require.NoError(t, namespaces.Delete(t.Context(), name, remove))
	marked, err := namespaces.Get(t.Context(), name, get)
	require.NoError(t, err)
	require.Equal(t, corev1.NamespaceTerminating, marked.Status.Phase)
	require.NotNil(t, marked.DeletionTimestamp)
	require.NoError(t, namespaces.Delete(t.Context(), name, remove), "again")

	_, err = c.CoreV1().ConfigMaps(name).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "late"}}, create)
	require.True(t, apierrors.IsForbidden(err), "%v", err)
	require.ErrorContains(t, err, "because it is being terminated")

	marked.Status.Phase = corev1.NamespaceActive
	_, err = namespaces.UpdateStatus(t.Context(), marked, update)
	require.ErrorContains(t, err, "status.Phase: Invalid value: \"Active\": may only be 'Terminating' if `deletionTimestamp` is not empty")

	marked.Spec.Finalizers = nil
	_, err = namespaces.Update(t.Context(), marked, update)
	require.NoError(t, err)
	held, err := namespaces.Get(t.Context(), name, get)
	require.NoError(t, err)
	require.Len(t, held.Spec.Finalizers, 1, "only /finalize changes finalizers")
	held.Spec.Finalizers = nil
	_, err = namespaces.Finalize(t.Context(), held, update)
	require.NoError(t, err)
	_, err = namespaces.Get(t.Context(), name, get)
	require.True(t, apierrors.IsNotFound(err), "%v", err)
}

func TestNamespaceWaitsForOtherFinalizers(t *testing.T) {
	_, c := start(t)
	namespaces := c.CoreV1().Namespaces()
	made, err := namespaces.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "a", Finalizers: []string{"example.com/hold"}}}, create)
	require.NoError(t, err)
	require.NoError(t, namespaces.Delete(t.Context(), "a", remove))
	made.Spec.Finalizers, made.ResourceVersion = nil, ""
	_, err = namespaces.Finalize(t.Context(), made, update)
	require.NoError(t, err)
	held, err := namespaces.Get(t.Context(), "a", get)
	require.NoError(t, err)
	held.Finalizers = nil
	_, err = namespaces.Update(t.Context(), held, update)
	require.NoError(t, err)
	_, err = namespaces.Get(t.Context(), "a", get)
	require.True(t, apierrors.IsNotFound(err), "%v", err)
}

func TestFinalizerNames(t *testing.T) {
	_, c := start(t)
	made, err := c.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, create)
	require.NoError(t, err)
	made.Spec.Finalizers = append(made.Spec.Finalizers, "e2e.example.com/fakeFinalizer")
	made, err = c.CoreV1().Namespaces().Finalize(t.Context(), made, update)
	require.NoError(t, err)
	made.Spec.Finalizers = append(made.Spec.Finalizers, "mine")
	_, err = c.CoreV1().Namespaces().Finalize(t.Context(), made, update)
	require.ErrorContains(t, err, `spec.finalizers[2]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified`)
}
