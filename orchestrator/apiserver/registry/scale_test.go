package registry_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

func makeScaled(t *testing.T, c kubernetes.Interface) {
	t.Helper()
	spec := `metadata: {name: web}, spec: {replicas: 2, selector: {matchLabels: {app: web}}, ` + template + `}`
	rc := parse[*corev1.ReplicationController](t, `{apiVersion: v1, kind: ReplicationController, metadata: {name: web}, spec: {replicas: 2, selector: {app: web}, `+template+`}}`)
	_, err := c.CoreV1().ReplicationControllers("default").Create(t.Context(), rc, create)
	require.NoError(t, err)
	_, err = c.AppsV1().ReplicaSets("default").Create(t.Context(), parse[*appsv1.ReplicaSet](t, `{apiVersion: apps/v1, kind: ReplicaSet, `+spec+`}`), create)
	require.NoError(t, err)
	_, err = c.AppsV1().Deployments("default").Create(t.Context(), parse[*appsv1.Deployment](t, `{apiVersion: apps/v1, kind: Deployment, `+spec+`}`), create)
	require.NoError(t, err)
}

func TestScale(t *testing.T) {
	_, c := start(t)
	makeScaled(t, c)
	core, apps := c.CoreV1().RESTClient(), c.AppsV1().RESTClient()
	for _, r := range []scaler{{core, "replicationcontrollers"}, {apps, "replicasets"}, {apps, "deployments"}} {
		t.Run(r.resource, func(t *testing.T) {
			s, err := r.GetScale(t)
			require.NoError(t, err)
			require.EqualValues(t, 2, s.Spec.Replicas)
			require.Equal(t, "app=web", s.Status.Selector)
			require.NotEmpty(t, s.UID)
			stale := s.DeepCopy()
			s.Spec.Replicas = 5
			s, err = r.PutScale(t, s)
			require.NoError(t, err)
			require.EqualValues(t, 5, s.Spec.Replicas)
			_, err = r.PutScale(t, stale)
			require.True(t, apierrors.IsConflict(err), "%v", err)
			stale.UID, stale.ResourceVersion = "other", ""
			_, err = r.PutScale(t, stale)
			require.ErrorContains(t, err, "Precondition failed: UID in precondition: other, UID in object meta: "+string(s.UID))
			s, err = r.PatchScale(t, types.MergePatchType, `{"spec":{"replicas":7}}`)
			require.NoError(t, err)
			require.EqualValues(t, 7, s.Spec.Replicas)
			_, err = r.PatchScale(t, types.MergePatchType, `{"spec":{"replicas":-1}}`)
			require.ErrorContains(t, err, "spec.replicas: Invalid value: -1: must be greater than or equal to 0")
		})
	}
	d, err := c.AppsV1().Deployments("default").Get(t.Context(), "web", get)
	require.NoError(t, err)
	require.EqualValues(t, 7, *d.Spec.Replicas)
	require.EqualValues(t, 3, d.Generation)
	require.NotEmpty(t, d.Spec.Template.Spec.Containers)
	_, err = c.AppsV1().Deployments("default").GetScale(t.Context(), "none", get)
	require.True(t, apierrors.IsNotFound(err), "%v", err)
}

// scaler asks for the scale of the object named web.
type scaler struct {
	rest.Interface
	resource string
}

func (s scaler) GetScale(t *testing.T) (*autoscalingv1.Scale, error) {
	return s.answer(t, s.Get())
}

func (s scaler) PutScale(t *testing.T, scale *autoscalingv1.Scale) (*autoscalingv1.Scale, error) {
	return s.answer(t, s.Put().Body(scale))
}

func (s scaler) PatchScale(t *testing.T, kind types.PatchType, patch string) (*autoscalingv1.Scale, error) {
	return s.answer(t, s.Patch(kind).Body([]byte(patch)))
}

func (s scaler) answer(t *testing.T, r *rest.Request) (*autoscalingv1.Scale, error) {
	t.Helper()
	scale := &autoscalingv1.Scale{}
	return scale, r.Namespace("default").Resource(s.resource).Name("web").SubResource("scale").Do(t.Context()).Into(scale)
}

func TestScaleManagesReplicas(t *testing.T) {
	_, c := start(t)
	makeScaled(t, c)
	_, err := c.AppsV1().Deployments("default").Patch(t.Context(), "web", types.ApplyPatchType,
		[]byte(`{"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"web"},"spec":{"replicas":9}}`),
		metav1.PatchOptions{FieldManager: "autoscaler", Force: new(true)}, "scale")
	require.NoError(t, err)
	d, err := c.AppsV1().Deployments("default").Get(t.Context(), "web", get)
	require.NoError(t, err)
	require.EqualValues(t, 9, *d.Spec.Replicas)
	for _, m := range d.ManagedFields {
		if m.Manager == "autoscaler" {
			require.JSONEq(t, `{"f:spec":{"f:replicas":{}}}`, m.FieldsV1.GetRawString())
			return
		}
	}
	require.Fail(t, "nobody manages the replicas", "%v", d.ManagedFields)
}
