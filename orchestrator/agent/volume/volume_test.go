package volume

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/agent/worker"
)

func emptyDir(medium corev1.StorageMedium, limit string) corev1.VolumeSource {
	s := &corev1.EmptyDirVolumeSource{Medium: medium}
	if limit != "" {
		s.SizeLimit = new(resource.MustParse(limit))
	}
	return corev1.VolumeSource{EmptyDir: s}
}

func TestEmptyDirOutlivesTheAgent(t *testing.T) {
	r := newRig(t)
	p := podWith(emptyDir("", ""))
	v := r.mount(t, p)
	require.Equal(t, worker.Mounted{HostPath: filepath.Join(r.root, "pods/u1/volumes/kubernetes.io~empty-dir/v")}, v)
	require.Equal(t, os.ModeDir|0o777, mode(t, v.HostPath))
	require.NoError(t, os.WriteFile(filepath.Join(v.HostPath, "kept"), nil, 0o600))
	require.NoError(t, os.Chmod(v.HostPath, 0o700))

	r.Manager = r.newManager(t)
	require.Equal(t, v, r.mount(t, p))
	require.Equal(t, os.ModeDir|0o700, mode(t, v.HostPath), "as the containers left it")
	require.FileExists(t, filepath.Join(v.HostPath, "kept"))

	require.NoError(t, r.Unmount(t.Context(), p.UID))
	require.NoDirExists(t, filepath.Join(r.root, "pods/u1"))
	require.NoError(t, r.Unmount(t.Context(), p.UID), "once more is no error")
	require.Empty(t, r.pods)
}

func TestEmptyDirOfAGroup(t *testing.T) {
	r := newRig(t)
	p := podWith(emptyDir("", ""))
	p.Spec.SecurityContext = &corev1.PodSecurityContext{FSGroup: new(int64(os.Getgid()))}
	require.Equal(t, os.ModeDir|os.ModeSetgid|0o777, mode(t, r.mount(t, p).HostPath))
}

func TestEmptyDirInMemory(t *testing.T) {
	r := newRig(t)
	p := podWith(emptyDir(corev1.StorageMediumMemory, "10Mi"))
	v := r.mount(t, p)
	require.Equal(t, int64(10<<20), r.table.sizes[v.HostPath])
	r.Manager = r.newManager(t)
	r.mount(t, p)
	require.Equal(t, []string{v.HostPath}, r.table.points, "mounted once")
	require.NoError(t, r.Unmount(t.Context(), p.UID))
	require.Empty(t, r.table.points)

	limits := corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("5Mi")}
	p.Spec.Containers[0].Resources.Limits = limits
	require.Equal(t, int64(5<<20), r.table.sizes[r.mount(t, p).HostPath])
	p.Spec.Containers[0].Resources.Limits = nil
	p.Spec.Volumes[0].EmptyDir.SizeLimit = nil
	require.Equal(t, int64(1<<30), r.memorySize(p, p.Spec.Volumes[0].EmptyDir), "what the node has")
}

func TestEmptyDirsAreListed(t *testing.T) {
	r := newRig(t)
	p := podWith(emptyDir("", "1Mi"))
	require.Equal(t, []EmptyDir{{Name: "v", Path: r.mount(t, p).HostPath, SizeLimit: 1 << 20}}, r.EmptyDirs(p))
}

func TestHostPathTypes(t *testing.T) {
	r, dir := newRig(t), t.TempDir()
	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer l.Close()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	f := func(path string, kind corev1.HostPathType, want string) {
		t.Helper()
		p := podWith(corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path, Type: &kind}})
		p.UID = "x"
		defer func() { require.NoError(t, r.Unmount(t.Context(), "x")) }()
		got, err := r.Mount(t.Context(), p)
		if want != "" {
			require.EqualError(t, err, `MountVolume.SetUp failed for volume "v" : `+want)
			return
		}
		require.NoError(t, err)
		require.Equal(t, worker.Mounted{HostPath: path}, got["v"])
	}
	f(dir+"/none", corev1.HostPathUnset, "")
	f(dir, corev1.HostPathDirectory, "")
	f(file, corev1.HostPathDirectory, "hostPath type check failed: "+file+" is not a directory")
	f(dir+"/none", corev1.HostPathDirectory, "hostPath type check failed: "+dir+"/none is not a directory")
	f(dir+"/new/deep", corev1.HostPathDirectoryOrCreate, "")
	require.DirExists(t, dir+"/new/deep")
	f(file, corev1.HostPathFile, "")
	f(dir, corev1.HostPathFile, "hostPath type check failed: "+dir+" is not a file")
	f(dir+"/newfile", corev1.HostPathFileOrCreate, "")
	require.FileExists(t, dir+"/newfile")
	f(dir, corev1.HostPathFileOrCreate, "hostPath type check failed: "+dir+" is not a file")
	f(socket, corev1.HostPathSocket, "")
	f(file, corev1.HostPathSocket, "hostPath type check failed: "+file+" is not a socket file")
	f("/dev/null", corev1.HostPathCharDev, "")
	f("/dev/null", corev1.HostPathBlockDev, "hostPath type check failed: /dev/null is not a block device")
	f(dir, "Odd", "Odd is an invalid volume type")
	f(dir+"/../x", corev1.HostPathUnset, "invalid HostPath `"+dir+"/../x`: must not contain '..'")
}

func TestClaims(t *testing.T) {
	dir := t.TempDir()
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "c", UID: "c1"},
		Spec: corev1.PersistentVolumeClaimSpec{VolumeName: "pv"}, Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound}}
	pv := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv"}, Spec: corev1.PersistentVolumeSpec{
		ClaimRef:               &corev1.ObjectReference{UID: "c1"},
		PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: dir}}}}
	source := func(name string, readOnly bool) corev1.VolumeSource {
		return corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name, ReadOnly: readOnly}}
	}
	r := newRig(t, claim, pv)
	require.Equal(t, worker.Mounted{HostPath: dir}, r.mount(t, podWith(source("c", false))))
	require.NoError(t, r.Unmount(t.Context(), "u1"))
	require.DirExists(t, dir, "not ours to remove")
	require.Equal(t, worker.Mounted{HostPath: dir, ReadOnly: true}, r.mount(t, podWith(source("c", true))))
	require.NoError(t, r.Unmount(t.Context(), "u1"))

	_, err := r.Mount(t.Context(), podWith(source("none", false)))
	require.ErrorContains(t, err, `error processing PVC ns/none: failed to fetch PVC from API server: persistentvolumeclaims "none" not found`)
	claim.Status.Phase = corev1.ClaimPending
	require.ErrorContains(t, checkClaim(claim), `PVC ns/c has non-bound phase ("Pending") or empty pvc.Spec.VolumeName ("pv")`)
}
