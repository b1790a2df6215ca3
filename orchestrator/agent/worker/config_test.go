package worker

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

type imageUser struct {
	uid  *cri.Int64Value
	name string
}

func (i imageUser) ImageStatus(context.Context, *cri.ImageStatusRequest, ...grpc.CallOption) (*cri.ImageStatusResponse, error) {
	return &cri.ImageStatusResponse{Image: &cri.Image{Uid: i.uid, Username: i.name}}, nil
}

func testOptions(t *testing.T) *Options {
	dir := t.TempDir()
	return &Options{
		Volumes: fakeVolumes{newHeld(), dir}, Environment: fakeEnvironment{"/hosts"}, ImageUsers: imageUser{},
		PodsDir: filepath.Join(dir, "pods"), LogDir: filepath.Join(dir, "logs"), SeccompDir: "/seccomp",
		ClusterDomain: "cluster.local", MemoryBytes: 8 << 30,
	}
}

func TestResourcesOfContainers(t *testing.T) {
	o := testOptions(t)
	f := func(requests, limits v1.ResourceList, shares, quota, memory, oom int64) {
		t.Helper()
		pod := makePod("a", v1.RestartPolicyAlways, run())
		pod.Spec.Containers[0].Resources = v1.ResourceRequirements{Requests: requests, Limits: limits}
		r := o.containerResources(pod, &pod.Spec.Containers[0])
		require.Equal(t, []int64{shares, quota, memory, oom}, []int64{r.CpuShares, r.CpuQuota, r.MemoryLimitInBytes, r.OomScoreAdj})
	}
	list := func(cpu, memory string) v1.ResourceList {
		return v1.ResourceList{v1.ResourceCPU: resource.MustParse(cpu), v1.ResourceMemory: resource.MustParse(memory)}
	}
	f(nil, nil, 2, 0, 0, 1000)
	f(list("500m", "1Gi"), nil, 512, 0, 0, 875)
	f(list("1", "1Gi"), list("1", "1Gi"), 1024, 100_000, 1<<30, -997)
	f(list("1m", "1Mi"), list("5m", "2Mi"), 2, 1000, 2<<20, 999)
	f(nil, v1.ResourceList{v1.ResourceCPU: resource.MustParse("2")}, 2048, 200_000, 0, 999)
}

func TestNonRoot(t *testing.T) {
	yes, root, user := true, int64(0), int64(1000)
	f := func(image imageUser, spec *int64, want string) {
		t.Helper()
		o := testOptions(t)
		o.ImageUsers = image
		pod := makePod("a", v1.RestartPolicyAlways, run())
		pod.Spec.SecurityContext = &v1.PodSecurityContext{RunAsNonRoot: &yes, RunAsUser: spec}
		_, err := o.containerConfig(t.Context(), toMake{pod: pod, container: &pod.Spec.Containers[0]})
		if want == "" {
			require.NoError(t, err)
			return
		}
		require.EqualError(t, err, want+` (pod: "a_default(uid-a)", container: c0)`)
	}
	f(imageUser{}, nil, "container has runAsNonRoot and image will run as root")
	f(imageUser{uid: &cri.Int64Value{}}, nil, "container has runAsNonRoot and image will run as root")
	f(imageUser{name: "www"}, nil, "container has runAsNonRoot and image has non-numeric user (www), cannot verify user is non-root")
	f(imageUser{uid: &cri.Int64Value{Value: 7}}, nil, "")
	f(imageUser{}, &root, "container's runAsUser breaks non-root policy")
	f(imageUser{}, &user, "")
}

func TestSandboxConfig(t *testing.T) {
	o := testOptions(t)
	pod := makePod("a", v1.RestartPolicyAlways, run())
	yes, fs := true, int64(5)
	pod.Labels = map[string]string{"app": "x"}
	pod.Spec.ShareProcessNamespace, pod.Spec.HostIPC = &yes, true
	pod.Spec.Hostname, pod.Spec.Subdomain = "h", "s"
	pod.Spec.Containers[0].Ports = []v1.ContainerPort{{ContainerPort: 80, HostPort: 8080, Protocol: v1.ProtocolUDP, HostIP: "127.0.0.1"}}
	pod.Spec.SecurityContext = &v1.PodSecurityContext{FSGroup: &fs, Sysctls: []v1.Sysctl{{Name: "net/ipv4/conf/eth0.1/x", Value: "1"}, {Name: "kernel.shm_rmid_forced", Value: "1"}}}
	config, err := o.sandboxConfig(pod, 2, "/kubepods/x")
	require.NoError(t, err)
	require.Equal(t, "h", config.Hostname)
	require.Equal(t, map[string]string{
		"app": "x", "io.kubernetes.pod.name": "a", "io.kubernetes.pod.namespace": "default", "io.kubernetes.pod.uid": "uid-a",
	}, config.Labels)
	require.Equal(t, filepath.Join(o.LogDir, "default_a_uid-a"), config.LogDirectory)
	namespaces := config.Linux.SecurityContext.NamespaceOptions
	require.Equal(t, []cri.NamespaceMode{cri.NamespaceMode_POD, cri.NamespaceMode_POD, cri.NamespaceMode_NODE},
		[]cri.NamespaceMode{namespaces.Network, namespaces.Pid, namespaces.Ipc})
	require.Equal(t, []int64{5}, config.Linux.SecurityContext.SupplementalGroups)
	require.Equal(t, map[string]string{"net.ipv4.conf.eth0/1.x": "1", "kernel.shm_rmid_forced": "1"}, config.Linux.Sysctls)
	require.Equal(t, []*cri.PortMapping{{Protocol: cri.Protocol_UDP, ContainerPort: 80, HostPort: 8080, HostIp: "127.0.0.1"}}, config.PortMappings)

	pod.Spec.SetHostnameAsFQDN = &yes
	config, err = o.sandboxConfig(pod, 2, "/kubepods/x")
	require.NoError(t, err)
	require.Equal(t, "h.s.default.svc.cluster.local", config.Hostname)
	pod.Spec.Hostname = strings.Repeat("h", 60)
	_, err = o.sandboxConfig(pod, 2, "/kubepods/x")
	require.ErrorContains(t, err, "is too long (64 characters is the max, 88 characters requested)")
}

func TestContainerMounts(t *testing.T) {
	o := testOptions(t)
	pod := makePod("a", v1.RestartPolicyAlways, run())
	c := &pod.Spec.Containers[0]
	c.TerminationMessagePath = "/dev/termination-log"
	config, err := o.containerConfig(t.Context(), toMake{pod: pod, container: c, restarts: 3})
	require.NoError(t, err)
	require.Equal(t, "c0/3.log", config.LogPath)
	require.Equal(t, uint32(3), config.Metadata.Attempt)
	require.Equal(t, []string{"/etc/hosts", "/dev/termination-log"}, []string{config.Mounts[0].ContainerPath, config.Mounts[1].ContainerPath})
	info, err := os.Stat(config.Mounts[1].HostPath)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o666), info.Mode())

	f := func(mount v1.VolumeMount, want string) {
		t.Helper()
		c.VolumeMounts = []v1.VolumeMount{mount}
		_, err := o.containerConfig(t.Context(), toMake{pod: pod, container: c})
		require.EqualError(t, err, want)
	}
	f(v1.VolumeMount{Name: "nowhere", MountPath: "/x"}, `cannot find volume "nowhere" to mount into container "c0"`)
}

func TestSubPaths(t *testing.T) {
	o := testOptions(t)
	f := func(mount v1.VolumeMount, want, fault string) {
		t.Helper()
		got, err := o.subPath(&mount, nil)
		if fault != "" {
			require.EqualError(t, err, fault)
			return
		}
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	f(v1.VolumeMount{SubPath: "a/b"}, "a/b", "")
	f(v1.VolumeMount{SubPathExpr: "a"}, "a", "")
	f(v1.VolumeMount{SubPath: "/a"}, "", "error SubPath `/a` must not be an absolute path")
	f(v1.VolumeMount{SubPathExpr: "a/../b"}, "", "unable to provision SubPath `a/../b`: must not contain '..'")
}

func TestSeccompAndCapabilities(t *testing.T) {
	o := testOptions(t)
	pod := makePod("a", v1.RestartPolicyAlways, run())
	profile := "p.json"
	pod.Spec.SecurityContext = &v1.PodSecurityContext{SeccompProfile: &v1.SeccompProfile{Type: v1.SeccompProfileTypeLocalhost, LocalhostProfile: &profile}}
	c := &pod.Spec.Containers[0]
	s, err := o.containerSecurity(pod, c)
	require.NoError(t, err)
	require.Equal(t, "/seccomp/p.json", s.Seccomp.LocalhostRef)
	require.NotEmpty(t, s.MaskedPaths)
	unmasked := v1.UnmaskedProcMount
	c.SecurityContext = &v1.SecurityContext{
		SeccompProfile: &v1.SeccompProfile{Type: v1.SeccompProfileTypeRuntimeDefault}, ProcMount: &unmasked,
		Capabilities: &v1.Capabilities{Add: []v1.Capability{"NET_ADMIN"}, Drop: []v1.Capability{"ALL"}},
	}
	s, err = o.containerSecurity(pod, c)
	require.NoError(t, err)
	require.Equal(t, cri.SecurityProfile_RuntimeDefault, s.Seccomp.ProfileType)
	require.Empty(t, s.MaskedPaths)
	require.Equal(t, []string{"NET_ADMIN"}, s.Capabilities.AddCapabilities)
	require.Equal(t, []string{"ALL"}, s.Capabilities.DropCapabilities)
	empty := ""
	c.SecurityContext.SeccompProfile = &v1.SeccompProfile{Type: v1.SeccompProfileTypeLocalhost, LocalhostProfile: &empty}
	_, err = o.containerSecurity(pod, c)
	require.Error(t, err)
}
