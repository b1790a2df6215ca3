package reference

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type rig struct {
	*Cache
	client *fake.Clientset

	mu      sync.Mutex
	changed []types.UID
}

func newRig(t *testing.T, objects ...runtime.Object) *rig {
	r := &rig{client: fake.NewClientset(objects...)}
	c, err := New(Options{Client: r.client})
	require.NoError(t, err)
	c.OnChange(func(pods []types.UID) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.changed = append(r.changed, pods...)
	})
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	r.Cache = c
	return r
}

func (r *rig) sawChange(uid types.UID) func() bool {
	return func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return slices.Contains(r.changed, uid)
	}
}

// count returns how often the client was asked so, whatever the object.
func (r *rig) count(verb, resource string) (n int) {
	for _, a := range r.client.Actions() {
		if a.Matches(verb, resource) {
			n++
		}
	}
	return n
}

func (r *rig) awaitWatches(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return r.count("watch", "configmaps") >= n }, 10*time.Second, time.Millisecond)
}

func config(version, value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "cm", ResourceVersion: version}, Data: map[string]string{"k": value}}
}

func pod(uid types.UID, volumes ...corev1.VolumeSource) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: string(uid), UID: uid}}
	for _, v := range volumes {
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{VolumeSource: v})
	}
	return p
}

func usesConfigMap(name string) corev1.VolumeSource {
	return corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}}
}

func TestFollowsWhatPodsReferTo(t *testing.T) {
	r := newRig(t, config("1", "old"))
	r.Register(pod("a", usesConfigMap("cm")))
	r.Register(pod("b", usesConfigMap("cm")))
	m, err := r.ConfigMap(t.Context(), "ns", "cm")
	require.NoError(t, err)
	require.Equal(t, "old", m.Data["k"])
	r.awaitWatches(t, 1)
	require.False(t, r.sawChange("a")(), "the first read is no change")

	_, err = r.client.CoreV1().ConfigMaps("ns").Update(t.Context(), config("2", "new"), metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Eventually(t, r.sawChange("a"), 10*time.Second, time.Millisecond)
	require.Eventually(t, r.sawChange("b"), 10*time.Second, time.Millisecond)
	m, err = r.ConfigMap(t.Context(), "ns", "cm")
	require.NoError(t, err)
	require.Equal(t, "new", m.Data["k"])
	require.Equal(t, 1, r.count("watch", "configmaps"), "one watch for both pods")
	require.Zero(t, r.count("get", "configmaps"))
}

func TestComesAndGoes(t *testing.T) {
	r := newRig(t)
	r.Register(pod("a", usesConfigMap("cm")))
	_, err := r.ConfigMap(t.Context(), "ns", "cm")
	require.True(t, apierrors.IsNotFound(err))
	require.EqualError(t, err, `configmap "cm" not found`)
	r.awaitWatches(t, 1)

	_, err = r.client.CoreV1().ConfigMaps("ns").Create(t.Context(), config("1", "x"), metav1.CreateOptions{})
	require.NoError(t, err)
	require.Eventually(t, r.sawChange("a"), 10*time.Second, time.Millisecond)
	_, err = r.ConfigMap(t.Context(), "ns", "cm")
	require.NoError(t, err)

	require.NoError(t, r.client.CoreV1().ConfigMaps("ns").Delete(t.Context(), "cm", metav1.DeleteOptions{}))
	require.Eventually(t, func() bool { _, err := r.ConfigMap(t.Context(), "ns", "cm"); return apierrors.IsNotFound(err) }, 10*time.Second, time.Millisecond)
}

func TestUnusedIsForgottenAndReadDirectly(t *testing.T) {
	r := newRig(t, config("1", "x"))
	r.Register(pod("a", usesConfigMap("cm")))
	r.awaitWatches(t, 1)
	r.Register(pod("a", usesConfigMap("other")))
	r.Unregister("a")
	r.Unregister("a")
	require.Empty(t, r.watches)
	require.Empty(t, r.pods)
	_, err := r.ConfigMap(t.Context(), "ns", "cm")
	require.NoError(t, err)
	require.Equal(t, 1, r.count("get", "configmaps"))
	_, err = r.ConfigMap(t.Context(), "ns", "none")
	require.EqualError(t, err, `configmap "none" not found`)
}

func TestImmutableIsNotWatched(t *testing.T) {
	m := config("1", "x")
	m.Immutable = new(true)
	r := newRig(t, m)
	r.Register(pod("a", usesConfigMap("cm")))
	_, err := r.ConfigMap(t.Context(), "ns", "cm")
	require.NoError(t, err)
	r.running.Wait()
	require.Zero(t, r.count("watch", "configmaps"))
}

func TestFailuresAreToldAndTriedAgain(t *testing.T) {
	r := newRig(t, config("1", "x"))
	var fail sync.Once
	r.client.PrependReactor("list", "configmaps", func(clienttesting.Action) (handled bool, _ runtime.Object, err error) {
		fail.Do(func() { err = errors.New("no way") })
		return err != nil, nil, err
	})
	r.Register(pod("a", usesConfigMap("cm")))
	_, err := r.ConfigMap(t.Context(), "ns", "cm")
	require.ErrorContains(t, err, "no way")
	require.Eventually(t, func() bool { _, err := r.ConfigMap(t.Context(), "ns", "cm"); return err == nil }, 10*time.Second, 10*time.Millisecond)
}

func TestOfFindsEveryKindOfReference(t *testing.T) {
	name := func(s string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: s} }
	p := pod("a", usesConfigMap("v"), corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "v"}},
		corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: name("p")}}, {Secret: &corev1.SecretProjection{LocalObjectReference: name("p")}}}}})
	p.Spec.ImagePullSecrets = []corev1.LocalObjectReference{name("pull"), {}}
	p.Spec.Containers = []corev1.Container{{EnvFrom: []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: name("f")}}, {SecretRef: &corev1.SecretEnvSource{LocalObjectReference: name("f")}}}}}
	p.Spec.InitContainers = []corev1.Container{{Env: []corev1.EnvVar{{ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: name("e")}}}, {Value: "x"}}}}
	p.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Env: []corev1.EnvVar{{ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: name("e")}}}}}}}
	require.ElementsMatch(t, []key{
		{secret, "ns", "pull"}, {configMap, "ns", "v"}, {secret, "ns", "v"}, {configMap, "ns", "p"}, {secret, "ns", "p"},
		{configMap, "ns", "f"}, {secret, "ns", "f"}, {configMap, "ns", "e"}, {secret, "ns", "e"},
	}, Of(p))
}
