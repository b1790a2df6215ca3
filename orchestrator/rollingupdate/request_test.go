package rollingupdate

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestValidate(t *testing.T) {
	n := int32(1)
	manifest := controller("web-2", "web:2", map[string]string{"app": "web"}, &n)
	for name, c := range map[string]struct {
		request Request
		want    string
	}{
		"image":         {Request{Old: "web", Key: "k", Image: "i"}, ""},
		"manifest":      {Request{Old: "web", Key: "k", Manifest: manifest}, ""},
		"rollback":      {Request{Old: "web", Key: "k", Rollback: true}, ""},
		"nothing":       {Request{Old: "web", Key: "k"}, "must specify --filename or --image for new controller"},
		"both":          {Request{Old: "web", Key: "k", Image: "i", Manifest: manifest}, "--filename and --image can not both be specified"},
		"back with it":  {Request{Old: "web", Key: "k", Image: "i", Rollback: true}, "don't specify --filename or --image on rollback"},
		"no key":        {Request{Old: "web", Image: "i"}, "--deployment-label-key can not be empty"},
		"no old":        {Request{Key: "k", Image: "i"}, "must specify the controller to update"},
		"same name":     {Request{Old: "web", New: "web", Key: "k", Image: "i"}, "the new controller cannot have the same name as the existing ReplicationController web"},
		"same in file":  {Request{Old: "web-2", Key: "k", Manifest: manifest}, "the new controller cannot have the same name as the existing ReplicationController web-2"},
		"other in file": {Request{Old: "web", New: "web-3", Key: "k", Manifest: manifest}, "the manifest is of web-2, not of web-3"},
		"policy":        {Request{Old: "web", Key: "k", Image: "i", PullPolicy: "Sometimes"}, `--image-pull-policy: "Sometimes": want Always, Never or IfNotPresent`},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.request.Validate(); c.want != "" {
				require.EqualError(t, err, c.want)
			} else {
				require.NoError(t, err)
			}
		})
	}
}

func TestTargetOfAnImage(t *testing.T) {
	n := int32(3)
	old := controller("web", "web:1", map[string]string{"app": "web"}, &n)
	old.UID = "1"
	old.Annotations = map[string]string{"note": "kept", OriginalAnnotation: "3"}
	request := Request{Old: "web", Image: "web:2", Key: DefaultKey}
	target, err := request.target(old)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"app": "web", DefaultKey: target.Name[len("web-"):]}, target.Spec.Selector)
	require.Equal(t, map[string]string{"note": "kept"}, target.Annotations)
	require.Equal(t, "web:1", old.Spec.Template.Spec.Containers[0].Image, "the old one is not touched")

	marked := old.DeepCopy() // as it is when the client died after its first write
	annotate(marked, NextAnnotation, target.Name)
	marked.Spec.Template.Labels[DefaultKey] = "x-orig"
	again, err := request.target(marked)
	require.NoError(t, err)
	require.Equal(t, target.Name, again.Name)
	require.Equal(t, target.Spec.Selector, again.Spec.Selector)

	later := old.DeepCopy() // the same update of another controller
	later.UID = "2"
	other, err := request.target(later)
	require.NoError(t, err)
	require.NotEqual(t, target.Spec.Selector, other.Spec.Selector)
}

func TestTargetRefused(t *testing.T) {
	n := int32(1)
	old := controller("web", "web:1", map[string]string{"app": "web"}, &n)
	pair := old.DeepCopy()
	pair.Spec.Template.Spec.Containers = append(pair.Spec.Template.Spec.Containers, corev1.Container{Name: "side", Image: "side:1"})
	for _, c := range []struct {
		old     *corev1.ReplicationController
		request Request
		want    string
	}{
		{pair, Request{Image: "web:2", Key: "k"}, "must specify container to update when updating a multi-container pod"},
		{pair, Request{Image: "web:2", Key: "k", Container: "none"}, "container none not found in pod"},
		{pair, Request{Image: "side:1", Key: "k", Container: "side"}, "--image-pull-policy (Always|Never|IfNotPresent) must be provided when --image is the same as existing container image"},
		{old, Request{Manifest: controller("b", "web:2", map[string]string{"app": "web", "new": "label"}, &n)}, "b must specify a matching key with non-equal value in Selector for web"},
		{old, Request{Manifest: &corev1.ReplicationController{ObjectMeta: metav1.ObjectMeta{Name: "b"}}}, "the manifest must have a name and a template"},
	} {
		_, err := c.request.target(c.old)
		require.EqualError(t, err, c.want)
	}
	request := Request{Image: "side:2", Key: "k", Container: "side"}
	target, err := request.target(pair)
	require.NoError(t, err)
	require.Equal(t, "side:2", target.Spec.Template.Spec.Containers[1].Image)
}

func TestTargetOfAManifest(t *testing.T) {
	n := int32(5)
	old := controller("web", "web:1", map[string]string{"app": "web"}, &n)
	manifest := controller("b", "web:2", nil, nil)
	manifest.Spec.Template.Labels = map[string]string{"app": "b"}
	request := Request{Manifest: manifest}
	target, err := request.target(old)
	require.NoError(t, err)
	require.Equal(t, 5, replicas(target), "as many as before")
	require.Equal(t, map[string]string{"app": "b"}, target.Spec.Selector)
}

func TestNextRefusesStrangers(t *testing.T) {
	n := int32(2)
	old, next := controller("web", "web:1", map[string]string{"app": "web"}, &n), controller("b", "web:2", map[string]string{"app": "b"}, &n)
	plan := Plan{From: "web", To: "b", Target: next}
	old.UID = "1"
	annotate(old, NextAnnotation, "b")
	annotate(old, OriginalAnnotation, "2")
	_, err := plan.Next(State{From: old, To: next})
	require.EqualError(t, err, `missing/unexpected annotations for controller b, expected kubectl.kubernetes.io/update-source-id=web:1: it has ""`)
	annotate(next, SourceAnnotation, "web:1")
	annotate(next, DesiredAnnotation, "many")
	_, err = plan.Next(State{From: old, To: next})
	require.EqualError(t, err, "unable to parse annotation for b: kubectl.kubernetes.io/desired-replicas=many")
	_, err = plan.Next(State{})
	require.EqualError(t, err, "neither replication controller web nor b is there")

	none := int32(0)
	plan.Target = controller("b", "web:2", map[string]string{"app": "b"}, &none)
	_, err = plan.Next(State{From: old})
	require.EqualError(t, err, "invalid controller spec for b; required: > 0 replicas, actual: 0")
}

// TestUpdateOfTroubles has an old controller whose pods never run: it must not
// keep a new one from taking over.
func TestUpdateOfTroubles(t *testing.T) {
	n, one := int32(2), int32(1)
	old, next := controller("web", "broken", map[string]string{"app": "web"}, &n), controller("b", "web:2", map[string]string{"app": "b"}, &one)
	old.UID, old.Status.Replicas, next.Status.Replicas = "1", 1, 1 // one could not even be made
	annotate(old, NextAnnotation, "b")
	annotate(old, OriginalAnnotation, "2")
	annotate(next, SourceAnnotation, "web:1")
	annotate(next, DesiredAnnotation, "2")
	plan := Plan{From: "web", To: "b", Target: next}
	step, err := plan.Next(State{From: old, To: next})
	require.NoError(t, err)
	require.Equal(t, Wait, step.Verb)
	step, err = plan.Next(State{From: old, To: next, ToReady: 1})
	require.NoError(t, err)
	require.Equal(t, "Scaling web down to 1", step.Say)
	require.True(t, step.Paused)
	*old.Spec.Replicas = 1
	step, err = plan.Next(State{From: old, To: next, ToReady: 1})
	require.NoError(t, err)
	require.Equal(t, "Scaling b up to 2", step.Say)
}
