package worker

import (
	"context"
	"log/slog"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/lubberline/lubberline/orchestrator/agent/observed"
)

// Runtime is what the workers need of CRI.
type Runtime interface {
	observed.Runtime
	RunPodSandbox(context.Context, *cri.RunPodSandboxRequest, ...grpc.CallOption) (*cri.RunPodSandboxResponse, error)
	StopPodSandbox(context.Context, *cri.StopPodSandboxRequest, ...grpc.CallOption) (*cri.StopPodSandboxResponse, error)
	RemovePodSandbox(context.Context, *cri.RemovePodSandboxRequest, ...grpc.CallOption) (*cri.RemovePodSandboxResponse, error)
	CreateContainer(context.Context, *cri.CreateContainerRequest, ...grpc.CallOption) (*cri.CreateContainerResponse, error)
	StartContainer(context.Context, *cri.StartContainerRequest, ...grpc.CallOption) (*cri.StartContainerResponse, error)
	StopContainer(context.Context, *cri.StopContainerRequest, ...grpc.CallOption) (*cri.StopContainerResponse, error)
	RemoveContainer(context.Context, *cri.RemoveContainerRequest, ...grpc.CallOption) (*cri.RemoveContainerResponse, error)
	ExecSync(context.Context, *cri.ExecSyncRequest, ...grpc.CallOption) (*cri.ExecSyncResponse, error)
	GetContainerEvents(context.Context, *cri.GetEventsRequest, ...grpc.CallOption) (cri.RuntimeService_GetContainerEventsClient, error)
}

// ImageUsers tells which user an image runs as.
type ImageUsers interface {
	ImageStatus(context.Context, *cri.ImageStatusRequest, ...grpc.CallOption) (*cri.ImageStatusResponse, error)
}

// Cgroups makes the control groups above the containers. Safe in parallel.
type Cgroups interface {
	// Ensure makes the pod's group with the pod's limits and returns the name
	// for the runtime, such as /kubepods/besteffort/podUID.
	Ensure(pod *v1.Pod) (parent string, err error)
	// Remove takes the group of the pod away, ending what still runs in it. It
	// may be called for a pod that has none.
	Remove(uid types.UID) error
	// Pods are the pods that have a group, of an earlier agent too.
	Pods() ([]types.UID, error)
}

// StatusWriter brings statuses to the API; see status.Writer. Its methods do
// not block.
type StatusWriter interface {
	Set(pod *v1.Pod, status v1.PodStatus)
	Finish(pod *v1.Pod)
	Forget(uid types.UID)
}

// Options is what Pods is made of. All are needed unless they say otherwise.
type Options struct {
	Runtime     Runtime
	ImageUsers  ImageUsers
	Volumes     Volumes
	Environment Environment
	Images      Images
	Prober      Prober
	Cgroups     Cgroups
	Writer      StatusWriter
	Events      record.EventRecorder
	// Node is this node as the API knows it, nil before it does.
	Node func() *v1.Node
	// FetchNode reads it from the API anew; nil trusts Node.
	FetchNode func(context.Context) (*v1.Node, error)
	// Admit is asked first whether a pod may start on the node as it is; nil for
	// always.
	Admit func(pod *v1.Pod) (reason, message string, ok bool)
	// HostIPs are the node's addresses, the first of them its main one.
	HostIPs []string
	// ClusterDomain ends the names of services and pods: cluster.local.
	ClusterDomain string
	// PodsDir has a folder for each pod, named by its uid; LogDir the folders of
	// logs, as /var/log/pods.
	PodsDir, LogDir string
	// SeccompDir has the profiles of type Localhost.
	SeccompDir string
	// MemoryBytes is the node's memory, for the containers' oom_score_adj.
	MemoryBytes int64
	// Starts bounds how many sandboxes and containers start at the same time.
	// Zero: see defaultStarts.
	Starts int
	// Relist is how often everything is compared with the runtime's lists, in
	// case an event was missed; 30 seconds when zero. A runtime without events
	// is asked every second instead.
	Relist time.Duration
	// KeepLogs is how long the logs of a deleted pod stay, for readers that are
	// behind. Zero: a minute.
	KeepLogs time.Duration
	Logger   *slog.Logger
	// Registerer may be nil.
	Registerer prometheus.Registerer
}

const (
	defaultRelist   = 30 * time.Second
	defaultKeepLogs = time.Minute
	// withoutEvents is the interval of relisting for a runtime that sends none.
	withoutEvents = time.Second
	// startsPerCPU: starting is partly waiting (namespaces, the shim's start),
	// so more than one per CPU keeps them all busy.
	startsPerCPU = 4
)

func (o *Options) setDefaults() {
	if o.Starts <= 0 {
		o.Starts = startsPerCPU * runtime.GOMAXPROCS(0)
	}
	if o.Relist <= 0 {
		o.Relist = defaultRelist
	}
	if o.KeepLogs <= 0 {
		o.KeepLogs = defaultKeepLogs
	}
}
