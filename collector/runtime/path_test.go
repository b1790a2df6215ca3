package runtime

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	idA    = "4f2c0e6a8d1b3f5079a2c4e6f80b1d3f5079a2c4e6f80b1d3f5079a2c4e6f80b"
	idB    = "b81f0c2d4e6f8091a3b5c7d9ebfd0f112131415161718191a1b1c1d1e1f10111"
	uid    = "0d1e5c2a-7f3b-4c8d-9e6f-1a2b3c4d5e6f"
	uidLow = "0d1e5c2a_7f3b_4c8d_9e6f_1a2b3c4d5e6f"
	static = "9c1b6a3f5e7d8091a2b3c4d5e6f70819"
)

func TestParsePath(t *testing.T) {
	f := func(path string, want Place) {
		t.Helper()
		require.Equal(t, want, ParsePath(path), path)
	}
	container := func(runtime, id, pod string) Place {
		return Place{Kind: Container, Runtime: runtime, ContainerID: id, PodUID: pod}
	}

	// Docker.
	f("/docker/"+idA, container(Docker, idA, ""))
	f("/docker/"+idA+"/", container(Docker, idA, ""))
	f("/system.slice/docker-"+idA+".scope", container(Docker, idA, ""))
	f("/user.slice/user-1000.slice/user@1000.service/user.slice/docker-"+idA+".scope", container(Docker, idA, ""))
	f("/docker/"+idA+"/docker/"+idB, container(Docker, idB, ""))
	f("/docker/"+idA+"/system.slice/docker-"+idB+".scope", container(Docker, idB, ""))
	f("/system.slice:docker:"+idA, container(Docker, idA, ""))
	f("/actions_job/"+idA, container("", idA, ""))
	f("/my/own/parent/"+idA, container("", idA, ""))
	f("/docker/buildkit/"+idA, container("", idA, ""))
	f("/"+idA, container("", idA, ""))

	// Kubernetes, cgroupfs driver.
	f("/kubepods/burstable/pod"+uid+"/"+idA, container("", idA, uid))
	f("/kubepods/besteffort/pod"+uid+"/"+idA, container("", idA, uid))
	f("/kubepods/pod"+uid+"/"+idA, container("", idA, uid))
	f("/kubepods/burstable/pod"+static+"/"+idA, container("", idA, static))
	f("/kubepods/burstable/pod"+uid+"/crio-"+idA, container(CRIO, idA, uid))
	f("/docker/"+idB+"/kubelet/kubepods/besteffort/pod"+uid+"/"+idA, container("", idA, uid))
	f("/k8s.io/"+idA, container("", idA, ""))
	f("/default/"+idA, container("", idA, ""))

	// Kubernetes, systemd driver.
	f("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod"+uidLow+".slice/cri-containerd-"+idA+".scope", container(Containerd, idA, uid))
	f("/kubepods.slice/kubepods-pod"+uidLow+".slice/crio-"+idA+".scope", container(CRIO, idA, uid))
	f("/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod"+uidLow+".slice/docker-"+idA+".scope", container(Docker, idA, uid))
	f("/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod"+uidLow+".slice/cri-containerd-"+idA+".scope", container(Containerd, idA, uid))
	f("/system.slice/containerd.service/kubepods-burstable-pod"+uidLow+".slice:cri-containerd:"+idA, container(Containerd, idA, uid))
	f("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod"+static+".slice/crio-"+idA+".scope", container(CRIO, idA, static))
	f("/system.slice/nerdctl-"+idA+".scope", container(Containerd, idA, ""))

	// Podman.
	f("/machine.slice/libpod-"+idA+".scope", container(Podman, idA, ""))
	f("/libpod_parent/libpod-"+idA, container(Podman, idA, ""))
	f("/libpod_parent/"+idB+"/libpod-"+idA, container(Podman, idA, idB))
	f("/machine.slice/machine-libpod_pod_"+idB+".slice/libpod-"+idA+".scope", container(Podman, idA, idB))
	f("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-"+idA+".scope", container(Podman, idA, ""))
	f("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-"+idA+".scope/container", Place{Kind: Ignored})
	f("/machine.slice/libpod-"+idA+".scope/supervisor", Place{Kind: Ignored})

	// Pods.
	f("/kubepods/burstable/pod"+uid, Place{Kind: Pod, PodUID: uid})
	f("/kubepods/pod"+static, Place{Kind: Pod, PodUID: static})
	f("/docker/"+idA+"/kubelet/kubepods/besteffort/pod"+uid, Place{Kind: Pod, PodUID: uid})
	f("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod"+uidLow+".slice", Place{Kind: Pod, PodUID: uid})
	f("/kubepods.slice/kubepods-pod"+uidLow+".slice", Place{Kind: Pod, PodUID: uid})
	f("/machine.slice/machine-libpod_pod_"+idB+".slice", Place{Kind: Pod, Runtime: Podman, PodUID: idB})
	f("/libpod_parent/"+idB, Place{Kind: Pod, Runtime: Podman, PodUID: idB})

	// Monitors, mounts.
	f("/kubepods.slice/kubepods-pod"+uidLow+".slice/crio-conmon-"+idA+".scope", Place{Kind: Ignored})
	f("/machine.slice/libpod-conmon-"+idA+".scope", Place{Kind: Ignored})
	f("/system.slice/var-lib-docker.mount", Place{Kind: Ignored})

	// Everything else.
	for _, path := range []string{
		"/", "", "/docker", "/kubepods", "/kubepods/burstable", "/kubepods.slice", "/kubepods.slice/kubepods-burstable.slice",
		"/system.slice/ssh.service", "/system.slice", "/user.slice/user-0.slice/session-1.scope", "/init.scope",
		"/docker/" + idA + "/init.scope", "/docker/" + idA + "/system.slice/cron.service",
		"/docker/" + strings.ToUpper(idA), "/docker/" + idA[:63], "/system.slice/run-" + idA + ".scope", "/x/" + idA + ".scope",
		"/podinfo", "/team/pod" + uid, "/system.slice/app-pod" + uidLow + ".slice", "/lxc/web", "/machine.slice/machine-qemu.scope",
		"/kubepods/burstable/podinfo", "/a/container",
	} {
		f(path, Place{Kind: System})
	}
}

func TestIdentityOfAPlace(t *testing.T) {
	alone := ParsePath("/docker/" + idA).identity()
	require.Equal(t, [4]string{Docker, idA[:12], idA[:12], Docker}, [4]string{alone.Namespace, alone.Pod, alone.Container, alone.Runtime})

	inPod := ParsePath("/kubepods/pod" + uid + "/" + idA).identity()
	require.Equal(t, uid, inPod.PodUID)
	require.Equal(t, idA[:12], inPod.Container)

	pod := ParsePath("/kubepods/pod" + uid).identity()
	require.Equal(t, uid, pod.PodUID)
	require.Empty(t, pod.Container)
	require.Empty(t, pod.ContainerID)
}

func FuzzParsePath(f *testing.F) {
	f.Add("/docker/" + idA)
	f.Add("/kubepods.slice/kubepods-pod" + uidLow + ".slice/crio-" + idA + ".scope")
	f.Add("kubepods-pod" + uidLow + ".slice:cri-containerd:" + idA)
	f.Add(":::/-pod.slice")
	f.Fuzz(func(t *testing.T, path string) {
		place := ParsePath(path)
		identity := place.identity()
		if (place.Kind == Container) != (len(place.ContainerID) == idLength) {
			t.Fatalf("%q: kind %d with id %q", path, place.Kind, place.ContainerID)
		}
		if place.Kind == Pod && place.PodUID == "" {
			t.Fatalf("%q: a pod without a uid", path)
		}
		if identity.ContainerID != place.ContainerID {
			t.Fatalf("%q: identity has id %q", path, identity.ContainerID)
		}
	})
}
