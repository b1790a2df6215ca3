package admission

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func account(name string, change ...func(*corev1.ServiceAccount)) *corev1.ServiceAccount {
	a := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: name}}
	for _, f := range change {
		f(a)
	}
	return a
}

func TestPodsRunAsAnAccount(t *testing.T) {
	c := newChain(t, account("builder", func(a *corev1.ServiceAccount) {
		a.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "pull"}}
	}))
	pod := newTestPod("p", corev1.Container{Name: "c"}, corev1.Container{Name: "own", VolumeMounts: []corev1.VolumeMount{{Name: "v", MountPath: tokenPath}}})
	pod.Spec.InitContainers = []corev1.Container{{Name: "i"}}
	require.NoError(t, c.create(pod))
	require.Equal(t, "default", pod.Spec.ServiceAccountName)
	require.Equal(t, "default", pod.Spec.DeprecatedServiceAccount)
	require.Empty(t, pod.Spec.ImagePullSecrets)
	require.Len(t, pod.Spec.Volumes, 1)
	volume := pod.Spec.Volumes[0]
	require.True(t, strings.HasPrefix(volume.Name, "kube-api-access-") && len(volume.Name) == len("kube-api-access-")+5, volume.Name)
	mount := []corev1.VolumeMount{{Name: volume.Name, ReadOnly: true, MountPath: "/var/run/secrets/kubernetes.io/serviceaccount"}}
	require.Equal(t, mount, pod.Spec.Containers[0].VolumeMounts)
	require.Equal(t, mount, pod.Spec.InitContainers[0].VolumeMounts)
	require.Len(t, pod.Spec.Containers[1].VolumeMounts, 1)
	sources := volume.Projected.Sources
	require.EqualValues(t, 0o644, *volume.Projected.DefaultMode)
	require.EqualValues(t, 3607, *sources[0].ServiceAccountToken.ExpirationSeconds)
	require.Equal(t, "token", sources[0].ServiceAccountToken.Path)
	require.Equal(t, "kube-root-ca.crt", sources[1].ConfigMap.Name)
	require.Equal(t, "metadata.namespace", sources[2].DownwardAPI.Items[0].FieldRef.FieldPath)

	named := newTestPod("q")
	named.Spec.DeprecatedServiceAccount = "builder"
	require.NoError(t, c.create(named))
	require.Equal(t, "builder", named.Spec.ServiceAccountName)
	require.Equal(t, []corev1.LocalObjectReference{{Name: "pull"}}, named.Spec.ImagePullSecrets)
}

func TestAutomount(t *testing.T) {
	c := newChain(t, account("off", func(a *corev1.ServiceAccount) { a.AutomountServiceAccountToken = ptr.To(false) }))
	f := func(account string, automount *bool, volumes int) {
		t.Helper()
		pod := newTestPod("p")
		pod.Spec.ServiceAccountName, pod.Spec.AutomountServiceAccountToken = account, automount
		require.NoError(t, c.create(pod))
		require.Len(t, pod.Spec.Volumes, volumes)
		require.Len(t, pod.Spec.Containers[0].VolumeMounts, volumes)
	}
	f("default", nil, 1)
	f("default", ptr.To(false), 0)
	f("off", nil, 0)
	f("off", ptr.To(true), 1)
}

func TestAMissingAccount(t *testing.T) {
	pod := newTestPod("p")
	pod.Spec.ServiceAccountName = "nobody"
	require.EqualError(t, newChain(t).create(pod), `pods "p" is forbidden: error looking up service account n/nobody: serviceaccount "nobody" not found`)
}

func TestConfinedSecrets(t *testing.T) {
	c := newChain(t, account("confined", func(a *corev1.ServiceAccount) {
		a.Annotations = map[string]string{mountableSecretsAnnotation: "true"}
		a.Secrets = []corev1.ObjectReference{{Name: "mine"}}
	}))
	f := func(wanted string, change func(*corev1.PodSpec)) {
		t.Helper()
		pod := newTestPod("p")
		pod.Spec.ServiceAccountName = "confined"
		change(&pod.Spec)
		err := c.create(pod)
		if wanted == "" {
			require.NoError(t, err)
			return
		}
		require.EqualError(t, err, `pods "p" is forbidden: `+wanted)
	}
	volume := func(secret string) func(*corev1.PodSpec) {
		return func(s *corev1.PodSpec) {
			s.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret}}}}
		}
	}
	f("", volume("mine"))
	f(`volume with secret.secretName="yours" is not allowed because service account confined does not reference that secret`, volume("yours"))
	f(`container c with envVar E referencing secret.secretName="yours" is not allowed because service account confined does not reference that secret`, func(s *corev1.PodSpec) {
		s.Containers[0].Env = []corev1.EnvVar{{Name: "E", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "yours"}}}}}
	})
	f(`container c with envFrom referencing secret.secretName="yours" is not allowed because service account confined does not reference that secret`, func(s *corev1.PodSpec) {
		s.Containers[0].EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "yours"}}}}
	})
	f(`imagePullSecrets[0].name="yours" is not allowed because service account confined does not reference that imagePullSecret`, func(s *corev1.PodSpec) {
		s.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "yours"}}
	})
}

func TestMirrorPodsStayAsTheyAre(t *testing.T) {
	c := newChain(t)
	mirror := func() *corev1.Pod {
		pod := newTestPod("p")
		pod.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"}
		return pod
	}
	pod := mirror()
	require.NoError(t, c.create(pod))
	require.Empty(t, pod.Spec.ServiceAccountName)
	require.Empty(t, pod.Spec.Volumes)
	pod = mirror()
	pod.Spec.ServiceAccountName = "default"
	require.EqualError(t, c.create(pod), `pods "p" is forbidden: a mirror pod may not reference service accounts`)
	pod = mirror()
	pod.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{Projected: tokenSource()}}}
	require.EqualError(t, c.create(pod), `pods "p" is forbidden: a mirror pod may not use ServiceAccountToken volume projections`)
}
