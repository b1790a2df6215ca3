package admission

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/utils/ptr"

	"github.com/lubberline/lubberline/orchestrator/storageclass"
)

func TestClaimsGetTheDefaultClass(t *testing.T) {
	standard := storageclass.Default()
	newer := storageclass.Default()
	newer.Name, newer.CreationTimestamp = "newer", metav1.NewTime(time.Unix(2_000_000_000, 0))
	plain := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "plain", CreationTimestamp: metav1.NewTime(time.Unix(2_100_000_000, 0))}}
	f := func(want *string, c *chain, claim *corev1.PersistentVolumeClaim) {
		t.Helper()
		claim.Namespace = "n"
		require.NoError(t, c.ask(request{resource: "persistentvolumeclaims", operation: admission.Create, object: claim}))
		require.Equal(t, want, claim.Spec.StorageClassName)
		require.Equal(t, []string{"kubernetes.io/pvc-protection"}, claim.Finalizers)
	}
	one, several := newChain(t, standard, plain), newChain(t, standard, newer, plain)
	f(ptr.To("local-path"), one, &corev1.PersistentVolumeClaim{})
	f(ptr.To("newer"), several, &corev1.PersistentVolumeClaim{})
	f(ptr.To(""), one, &corev1.PersistentVolumeClaim{Spec: corev1.PersistentVolumeClaimSpec{StorageClassName: ptr.To("")}})
	f(ptr.To("x"), one, &corev1.PersistentVolumeClaim{Spec: corev1.PersistentVolumeClaimSpec{StorageClassName: ptr.To("x")}})
	f(nil, newChain(t, plain), &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Finalizers: []string{"kubernetes.io/pvc-protection"}}})

	volume := &corev1.PersistentVolume{}
	require.NoError(t, one.ask(request{resource: "persistentvolumes", operation: admission.Create, object: volume}))
	require.Equal(t, []string{"kubernetes.io/pv-protection"}, volume.Finalizers)
}
