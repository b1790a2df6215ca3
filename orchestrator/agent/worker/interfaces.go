package worker

import (
	"context"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Volumes makes the volumes of pods on this node. The methods may be called at
// the same time for different pods, never for the same one.
type Volumes interface {
	// Mount makes every volume of the pod that a container mounts and returns
	// them by volume name. It is called before the pod's sandbox is made, and
	// again (then it must be cheap) before each container starts and after the
	// agent's own restart. Until Unmount the contents follow their sources:
	// ConfigMap, Secret, downward API (see Update), service-account token. The
	// error's text is the event's message as Kubernetes words it, for instance
	// `MountVolume.SetUp failed for volume "x" : configmap "y" not found`; the
	// worker tries again later.
	Mount(ctx context.Context, pod *v1.Pod) (map[string]Mounted, error)
	// SubPath makes the path below the volume that the container's mount with
	// that index names (subPath is expanded already, relative and without
	// ".."), never leaving the volume through a link, and returns the host path
	// to bind.
	SubPath(ctx context.Context, pod *v1.Pod, container *v1.Container, mount int, volume Mounted, subPath string) (string, error)
	// Update is told of every change of a mounted pod's object, so that the
	// downward API follows its labels and annotations. It must not block.
	Update(pod *v1.Pod)
	// Unmount takes away all that Mount and SubPath made for the pod and its
	// folder. No container of the pod lives any more; it may be called for a
	// pod that has nothing, also one of before the agent's restart.
	Unmount(ctx context.Context, uid types.UID) error
}

// Mounted is one volume of a pod, ready to be bound into containers.
type Mounted struct {
	// HostPath is the folder (or, with hostPath volumes, file or device).
	HostPath string
	// ReadOnly is set for volumes that containers must not write whatever
	// their mount says: ConfigMap, Secret, downward API, projected.
	ReadOnly bool
	// Propagation is not here: it is the container mount's own.
}

// Environment says what a container finds around it. Safe in parallel.
type Environment interface {
	// Env is the container's variables in order, without repeats: services of
	// the namespace, envFrom, env with its references expanded. The error's
	// text is the message of CreateContainerConfigError as Kubernetes words it
	// (`configmap "x" not found`, `couldn't find key k in Secret ns/x`).
	Env(ctx context.Context, pod *v1.Pod, container *v1.Container, podIPs []string) ([]*cri.KeyValue, error)
	// Command is the container's command and arguments with $(NAME) replaced
	// and $$(NAME) unescaped; a name that env lacks stays as it is.
	Command(container *v1.Container, env []*cri.KeyValue) (command, args []string)
	// SubPath expands subPathExpr; a name that env lacks is an error in
	// Kubernetes' words.
	SubPath(expr string, env []*cri.KeyValue) (string, error)
	// HostsFile writes the pod's /etc/hosts (hostAliases; on the host network a
	// copy of the host's) into the pod's folder and returns its path. Written
	// anew on each call, in place.
	HostsFile(pod *v1.Pod, podIPs []string) (string, error)
	// DNS is the pod's resolver by dnsPolicy and dnsConfig.
	DNS(pod *v1.Pod) (*cri.DNSConfig, error)
}

// Images brings images onto the node by pull policy, with back-off and the
// events Pulling, Pulled, Failed and BackOff. Safe in parallel; pulls of one
// image are shared.
type Images interface {
	// Ensure returns the image's reference for CRI (an image id or digest). On
	// failure err is set, and reason and message are what the container's
	// waiting state says: InvalidImageName, ErrImageNeverPull, ErrImagePull,
	// ImagePullBackOff, …. It blocks while pulling and ends with ctx.
	Ensure(ctx context.Context, pod *v1.Pod, container *v1.Container) (ref, reason, message string, err error)
}

// Prober runs the probes of running containers.
// Container ids are CRI's, without "containerd://".
type Prober interface {
	// Update tells the pod's spec and its newest status (podIP, container ids,
	// start times; also after the agent's restart). The prober starts what a
	// running container with a new id needs, ends what belongs to an id that
	// does not run any more, and ends liveness and startup probes once the pod
	// has a deletion timestamp. It must not block and may be called often.
	Update(pod *v1.Pod, status *v1.PodStatus)
	// Remove ends everything of the pod.
	Remove(uid types.UID)
	// Ready is the readiness probe's verdict; known is false before the first
	// (within initialDelaySeconds too) or without such a probe.
	Ready(containerID string) (ready, known bool)
	// Started is the startup probe's, in the same way.
	Started(containerID string) (started, known bool)
	// Failed says that the liveness or the startup probe (kind is "liveness" or
	// "startup") wants the container restarted. The prober itself
	// sends the Unhealthy events.
	Failed(containerID string) (kind string, failed bool)
	// Changed delivers the pods for which an answer above has changed. It is
	// never closed; only the worker's dispatcher reads it.
	Changed() <-chan types.UID
}

// What others need of this package is on Pods (they declare their own interfaces):
//
//	Pods() []*v1.Pod                                  every pod of the node with its newest status; read only
//	Pod(namespace, name string) (*v1.Pod, bool)       the same for one
//	ContainerID(uid types.UID, container string) (id string, running bool)
//	SandboxID(uid types.UID) (id string, running bool)
//	Evict(uid types.UID, grace int64, reason, message string, condition *v1.PodCondition) (done <-chan struct{}, found bool)
//	LogDirectory(pod *v1.Pod) string                  ROOT/NAMESPACE_NAME_UID; logs are CONTAINER/RESTARTS.log below
