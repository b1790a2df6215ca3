package runtime

import (
	"strings"

	"github.com/lubberline/lubberline/collector/reading"
)

// The names of the runtimes, as reading.Identity.Runtime has them.
const (
	Docker     = "docker"
	Containerd = "containerd"
	CRIO       = "cri-o"
	Podman     = "podman"
)

// Kind is what sort of thing a cgroup is.
type Kind uint8

// The kinds of cgroup.
const (
	// System is a systemd unit, a slice or a raw cgroup.
	System Kind = iota
	// Container is a container of one of the runtimes.
	Container
	// Pod is the cgroup around the containers of a pod.
	Pod
	// Ignored is a cgroup that repeats or only serves another: a monitor
	// process, the inner part of a container, a mount unit.
	Ignored
)

// Place is what the path of a cgroup says of it.
type Place struct {
	Kind Kind
	// Runtime is empty where the path leaves it open: below kubepods with
	// plain ids, or below a parent of the user's choice.
	Runtime string
	// ContainerID is 64 hex digits; only for containers.
	ContainerID string
	// PodUID is the Kubernetes uid, or Podman's id of the pod.
	PodUID string
}

// ParsePath reads a cgroup path ("/docker/4f2…") in any of the layouts of
// Docker, containerd, CRI-O and Podman, with the cgroupfs or the systemd driver,
// at any depth. It never fails: what it does not know is a System cgroup.
func ParsePath(path string) Place {
	parent, last := splitPath(path)
	if innerOfPodman(parent, last) {
		return Place{Kind: Ignored}
	}
	if uid, ok := podmanPod(parent, last); ok {
		return Place{Kind: Pod, Runtime: Podman, PodUID: uid}
	}
	if uid, ok := kubernetesPod(parent, last); ok {
		return Place{Kind: Pod, PodUID: uid}
	}
	return parseContainer(parent, last)
}

func parseContainer(parent, last string) Place {
	name, scope := strings.CutSuffix(last, ".scope")
	if isMonitor(name) || strings.HasSuffix(last, ".mount") {
		return Place{Kind: Ignored}
	}
	prefix, id, ok := cutID(name)
	if !ok {
		return Place{Kind: System}
	}
	slice, prefix := cutSlice(prefix)
	runtime, known := runtimeOf(prefix, parent)
	if !known || (scope && prefix == "") {
		return Place{Kind: System}
	}
	if slice != "" {
		parent = slice
	}
	return Place{Kind: Container, Runtime: runtime, ContainerID: id, PodUID: podOf(parent)}
}

// splitPath returns the path above the last element, and that element.
func splitPath(path string) (parent, last string) {
	path = strings.TrimRight(path, "/")
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}

// cutID takes the 64 hex digits off the end of a name: "docker-<id>".
func cutID(name string) (prefix, id string, ok bool) {
	if len(name) < idLength {
		return "", "", false
	}
	prefix, id = name[:len(name)-idLength], name[len(name)-idLength:]
	if !isHex(id) {
		return "", "", false
	}
	return prefix, id, true
}

const idLength = 64

func isHex(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// cutSlice undoes what a runtime with the cgroupfs driver makes of a systemd
// path: "kubepods-burstable-podX.slice:cri-containerd:<id>" as one element.
func cutSlice(prefix string) (slice, rest string) {
	slice, rest, ok := strings.Cut(prefix, ":")
	if !ok {
		return "", prefix
	}
	return slice, strings.TrimSuffix(rest, ":") + "-"
}

// runtimeOf names the runtime by what stands before the id. known is false for
// a prefix that no runtime uses. A bare id is a container wherever it stands.
func runtimeOf(prefix, parent string) (runtime string, known bool) {
	switch prefix {
	case "docker-":
		return Docker, true
	case "cri-containerd-", "nerdctl-":
		return Containerd, true
	case "crio-":
		return CRIO, true
	case "libpod-":
		return Podman, true
	case "":
		if _, dir := splitPath(parent); dir == "docker" {
			return Docker, true
		}
		return "", true
	}
	return "", false
}

// isMonitor says whether this is conmon's own cgroup beside the container.
func isMonitor(name string) bool {
	return strings.HasPrefix(name, "crio-conmon-") || strings.HasPrefix(name, "libpod-conmon-")
}

// innerOfPodman recognises "…/libpod-<id>.scope/container": with split cgroups
// Podman puts the processes one level below the scope. The scope is the
// container; its figures hold those of the inner cgroup.
func innerOfPodman(parent, last string) bool {
	if last != "container" && last != "supervisor" {
		return false
	}
	_, scope := splitPath(parent)
	prefix, _, ok := cutID(strings.TrimSuffix(scope, ".scope"))
	return ok && prefix == "libpod-"
}

// podmanPod recognises "machine-libpod_pod_<id>.slice" and "/libpod_parent/<id>".
func podmanPod(parent, last string) (uid string, ok bool) {
	name, slice := strings.CutSuffix(last, ".slice")
	prefix, id, ok := cutID(name)
	if !ok {
		return "", false
	}
	_, dir := splitPath(parent)
	if slice {
		return id, strings.HasSuffix(prefix, "-libpod_pod_")
	}
	return id, prefix == "" && dir == "libpod_parent"
}

// kubernetesPod recognises "/kubepods/burstable/pod<uid>" and
// "kubepods-burstable-pod<uid>.slice", with any parent.
func kubernetesPod(parent, last string) (uid string, ok bool) {
	if name, slice := strings.CutSuffix(last, ".slice"); slice {
		i := strings.LastIndex(name, "-pod")
		if i < 0 || !strings.Contains(name[:i]+"-", "kubepods-") {
			return "", false
		}
		uid = strings.ReplaceAll(name[i+len("-pod"):], "_", "-")
		return uid, isUID(uid)
	}
	uid, ok = strings.CutPrefix(last, "pod")
	return uid, ok && isUID(uid) && belowKubepods(parent)
}

// belowKubepods says whether the directory is the kubelet's root of all pods or
// one of its service classes.
func belowKubepods(parent string) bool {
	above, dir := splitPath(parent)
	if dir == "burstable" || dir == "besteffort" || dir == "guaranteed" {
		_, dir = splitPath(above)
	}
	return dir == "kubepods"
}

// isUID accepts a uid with dashes, and the plain hash of a static pod.
func isUID(s string) bool {
	digits := 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '-':
		case isHex(s[i : i+1]):
			digits++
		default:
			return false
		}
	}
	return digits == 32
}

// podOf finds the pod that a container's parent directory is the cgroup of.
func podOf(parent string) string {
	above, last := splitPath(parent)
	if uid, ok := kubernetesPod(above, last); ok {
		return uid
	}
	if uid, ok := podmanPod(above, last); ok {
		return uid
	}
	return ""
}

// identity is what is known before, or without, any answer of the runtime. The
// names are the short id, so that the container is still told from others.
func (p Place) identity() *reading.Identity {
	identity := &reading.Identity{Runtime: p.Runtime, ContainerID: p.ContainerID, PodUID: p.PodUID}
	if p.Kind != Container {
		return identity
	}
	short := p.ContainerID[:12]
	identity.Name, identity.Pod, identity.Container = short, short, short
	identity.Namespace = p.Runtime
	if p.PodUID != "" {
		identity.Pod = p.PodUID
	}
	if identity.Runtime == "" {
		identity.Runtime, identity.Namespace = "unknown", "unknown"
	}
	return identity
}
