package volume

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
)

func configMapVolume(name string) corev1.VolumeSource {
	return corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: named(name)}}
}

func TestConfigMapAndItsUpdates(t *testing.T) {
	r := newRig(t)
	r.run(t)
	r.objects.configMaps["cm"] = &corev1.ConfigMap{Data: map[string]string{"a": "1", "b": "2"}, BinaryData: map[string][]byte{"c": {0, 255}}}
	v := r.mount(t, podWith(configMapVolume("cm")))
	require.Equal(t, filepath.Join(r.root, "pods/u1/volumes/kubernetes.io~configmap/v"), v.HostPath)
	require.True(t, v.ReadOnly)
	require.Equal(t, []string{"a", "b", "c"}, visible(t, v.HostPath))
	require.Equal(t, "\x00\xff", read(t, v.HostPath, "c"))
	require.Equal(t, os.FileMode(0o644), mode(t, v.HostPath, "a"))
	target, err := os.Readlink(filepath.Join(v.HostPath, "a"))
	require.NoError(t, err)
	require.Equal(t, "..data/a", target)

	stamp, err := os.Readlink(filepath.Join(v.HostPath, "..data"))
	require.NoError(t, err)
	r.objects.set("cm", map[string]string{"a": "new", "d": "4"})
	soon(t, func() bool { return len(visible(t, v.HostPath)) == 2 })
	require.Equal(t, "new", read(t, v.HostPath, "a"))
	require.Equal(t, []string{"a", "d"}, visible(t, v.HostPath))
	soon(t, func() bool { _, err := os.Stat(filepath.Join(v.HostPath, stamp)); return os.IsNotExist(err) })

	r.objects.set("cm", nil)
	require.Contains(t, <-r.events.Events, `Warning FailedMount MountVolume.SetUp failed for volume "v" : configmap "cm" not found`)
	require.Equal(t, "new", read(t, v.HostPath, "a"), "what was there stays")
}

func TestMissingThenThere(t *testing.T) {
	r := newRig(t)
	p := podWith(configMapVolume("cm"))
	_, err := r.Mount(t.Context(), p)
	require.EqualError(t, err, `MountVolume.SetUp failed for volume "v" : configmap "cm" not found`)
	r.objects.configMaps["cm"] = &corev1.ConfigMap{Data: map[string]string{"a": "1"}}
	require.Equal(t, "1", read(t, r.mount(t, p).HostPath, "a"))
	require.Contains(t, r.objects.registered, p.UID)
}

func TestOptional(t *testing.T) {
	r := newRig(t)
	r.run(t)
	source := configMapVolume("cm")
	source.ConfigMap.Optional = new(true)
	v := r.mount(t, podWith(source))
	require.Empty(t, visible(t, v.HostPath))
	r.objects.set("cm", map[string]string{"a": "1"})
	soon(t, func() bool { return len(visible(t, v.HostPath)) == 1 })
	r.objects.set("cm", nil)
	soon(t, func() bool { return len(visible(t, v.HostPath)) == 0 })
}

func TestSecretItemsAndModes(t *testing.T) {
	r := newRig(t)
	r.objects.secrets["s"] = &corev1.Secret{Data: map[string][]byte{"k": []byte("v1"), "l": []byte("v2")}}
	p := podWith(corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "s", DefaultMode: new(int32(0o400)), Items: []corev1.KeyToPath{
		{Key: "k", Path: "dir/new-k"}, {Key: "l", Path: "l", Mode: new(int32(0o777))}}}})
	v := r.mount(t, p)
	require.Equal(t, "v1", read(t, v.HostPath, "dir/new-k"))
	require.Equal(t, os.FileMode(0o400), mode(t, v.HostPath, "dir/new-k"))
	require.Equal(t, os.FileMode(0o777), mode(t, v.HostPath, "l"))
	require.Contains(t, r.table.sizes, v.HostPath, "never on a disk")

	p.Spec.Volumes[0].Secret.Items[0].Key = "none"
	p.UID = "u2"
	_, err := r.Mount(t.Context(), p)
	require.EqualError(t, err, `MountVolume.SetUp failed for volume "v" : references non-existent secret key: none`)
}

func TestFSGroupOwnsTheContents(t *testing.T) {
	r := newRig(t)
	r.objects.secrets["s"] = &corev1.Secret{Data: map[string][]byte{"k": []byte("v")}}
	p := podWith(corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "s", DefaultMode: new(int32(0o400))}})
	p.Spec.SecurityContext = &corev1.PodSecurityContext{FSGroup: new(int64(os.Getgid()))}
	v := r.mount(t, p)
	require.Equal(t, os.FileMode(0o440), mode(t, v.HostPath, "k"))
	require.Equal(t, os.ModeSetgid, mode(t, v.HostPath)&os.ModeSetgid)
}

func TestDownwardAPIFollowsThePod(t *testing.T) {
	r := newRig(t)
	r.run(t)
	p := podWith(corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{Items: []corev1.DownwardAPIVolumeFile{
		{Path: "labels", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.labels"}},
		{Path: "name", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}, Mode: new(int32(0o400))},
		{Path: "cpu", ResourceFieldRef: &corev1.ResourceFieldSelector{ContainerName: "c", Resource: "limits.cpu"}},
		{Path: "mem", ResourceFieldRef: &corev1.ResourceFieldSelector{ContainerName: "c", Resource: "limits.memory", Divisor: resource.MustParse("1Mi")}},
	}}})
	v := r.mount(t, p)
	require.Equal(t, `a="b"`, read(t, v.HostPath, "labels"))
	require.Equal(t, "p", read(t, v.HostPath, "name"))
	require.Equal(t, os.FileMode(0o400), mode(t, v.HostPath, "name"))
	require.Equal(t, "2", read(t, v.HostPath, "cpu"))
	require.Equal(t, "1024", read(t, v.HostPath, "mem"))

	p = p.DeepCopy()
	p.Labels["c"] = "d"
	r.Update(p)
	soon(t, func() bool { return read(t, v.HostPath, "labels") == "a=\"b\"\nc=\"d\"" })
}

func TestProjectedWithToken(t *testing.T) {
	r := newRig(t)
	r.run(t)
	asked := 0
	fail := false
	r.client.PrependReactor("create", "serviceaccounts", func(a clienttesting.Action) (bool, runtime.Object, error) {
		if fail {
			return true, nil, fmt.Errorf("away")
		}
		asked++
		tr := a.(clienttesting.CreateActionImpl).Object.(*authenticationv1.TokenRequest)
		tr.Status.Token = fmt.Sprintf("token-%d-%s-%s", asked, tr.Spec.BoundObjectRef.Name, tr.Spec.Audiences[0])
		tr.Status.ExpirationTimestamp = metav1.NewTime(r.clock.Now().Add(time.Duration(*tr.Spec.ExpirationSeconds) * time.Second))
		return true, tr, nil
	})
	r.objects.configMaps["ca"] = &corev1.ConfigMap{Data: map[string]string{"ca.crt": "pem"}}
	p := podWith(corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
		{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", ExpirationSeconds: new(int64(1000)), Audience: "api"}},
		{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: named("ca"), Items: []corev1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}}}},
		{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{{Path: "namespace", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.namespace"}}}}},
	}}})
	p.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: new(int64(os.Getuid()))}
	v := r.mount(t, p)
	require.Equal(t, []string{"ca.crt", "namespace", "token"}, visible(t, v.HostPath))
	require.Equal(t, "token-1-p-api", read(t, v.HostPath, "token"))
	require.Equal(t, os.FileMode(0o600), mode(t, v.HostPath, "token"))

	content := func() string { r.refreshPod(t.Context(), "u1"); return read(t, v.HostPath, "token") }
	r.clock.Step(799 * time.Second)
	require.Equal(t, "token-1-p-api", content())
	r.clock.Step(2 * time.Second)
	require.Equal(t, "token-2-p-api", content(), "after 80 % of its life")
	fail = true
	r.clock.Step(900 * time.Second)
	require.Equal(t, "token-2-p-api", content(), "still good")
	r.clock.Step(200 * time.Second)
	_ = content()
	require.Contains(t, <-r.events.Events, `MountVolume.SetUp failed for volume "v" : failed to fetch token: away`)
}

func TestRefusedSources(t *testing.T) {
	r := newRig(t)
	f := func(source corev1.VolumeSource, want string) {
		t.Helper()
		_, err := r.Mount(t.Context(), podWith(source))
		require.ErrorContains(t, err, want)
	}
	f(corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{ClusterTrustBundle: &corev1.ClusterTrustBundleProjection{}}}}}, "clusterTrustBundle projections are not supported")
	f(corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{}}, `this node has no volume plugin for volume "v"`)
	f(corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: "HugePages-2Mi"}}, "medium HugePages-2Mi: huge pages storage is not supported by this node")
}

func TestVolumesMountedInsideVolumes(t *testing.T) {
	r := newRig(t)
	r.objects.configMaps["cm"] = &corev1.ConfigMap{Data: map[string]string{"a": "1"}}
	p := podWith(configMapVolume("cm"))
	p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "inner", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	p.Spec.Containers[0].VolumeMounts = append(p.Spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: "inner", MountPath: "/v/deep/inner"})
	v := r.mount(t, p)
	require.DirExists(t, filepath.Join(v.HostPath, "deep/inner"))
}
