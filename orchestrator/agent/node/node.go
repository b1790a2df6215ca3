// Package node keeps the API's object of this machine: it registers it, says
// whether pods can run here, and renews its lease.
package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Runtime is what is asked of the container runtime.
type Runtime interface {
	Version(context.Context, *cri.VersionRequest, ...grpc.CallOption) (*cri.VersionResponse, error)
	Status(context.Context, *cri.StatusRequest, ...grpc.CallOption) (*cri.StatusResponse, error)
}

// ImageLister lists the images on this machine.
type ImageLister interface {
	ListImages(context.Context, *cri.ListImagesRequest, ...grpc.CallOption) (*cri.ListImagesResponse, error)
}

// Pressure is what the machine is short of.
type Pressure struct{ Memory, Disk, PID bool }

// Options is what a node is made of.
type Options struct {
	Client  kubernetes.Interface
	Runtime Runtime
	Images  ImageLister
	Events  record.EventRecorder
	// Name is the object's, Addresses the machine's, the main one first.
	Name      string
	Addresses []string
	// Hostname is the machine's; empty: Name.
	Hostname string
	// PodCIDRs are the addresses of pods on this machine.
	PodCIDRs []string
	// Labels and Taints are put on the object when it is registered first.
	Labels map[string]string
	Taints []v1.Taint
	// Annotations are kept on the object.
	Annotations map[string]string
	Host        Host
	// Reserved is taken off the capacity; may be nil.
	Reserved v1.ResourceList
	// Port is where the agent serves.
	Port int32
	// Version is this program's, for nodeInfo, such as v1.37.2.
	Version string
	// Pressure may be nil; CheckNow has it asked for again.
	Pressure func() Pressure
	Logger   *slog.Logger
	// Registerer may be nil.
	Registerer prometheus.Registerer
}

// Intervals.
const (
	// checkInterval is how often the runtime's health is looked at.
	checkInterval = 10 * time.Second
	// notReadyInterval is the same while the node is not ready.
	notReadyInterval = 100 * time.Millisecond
	// maxNotReadyInterval is what it grows to.
	maxNotReadyInterval = 5 * time.Second
	// reportInterval is how often the status is written without a change; that
	// the node lives is told by its lease.
	reportInterval = 5 * time.Minute
	callTimeout    = 10 * time.Second
)

// Node is this machine in the API.
type Node struct {
	o       Options
	metrics *metrics
	ready   chan struct{}
	wake    chan struct{}

	// Of Run's goroutine.
	runtimeVersion string
	reported       time.Time
	imagesAt       time.Time
	images         []v1.ContainerImage
	announced      bool

	mu   sync.Mutex // guards node
	node *v1.Node
}

// New returns a node that Run registers.
func New(o Options) (*Node, error) {
	if o.Name == "" || len(o.Addresses) == 0 {
		return nil, errors.New("node: a name and an address are needed")
	}
	o.Hostname = cmp.Or(o.Hostname, o.Name)
	if o.Pressure == nil {
		o.Pressure = func() Pressure { return Pressure{} }
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	return &Node{o: o, metrics: m, ready: make(chan struct{}), wake: make(chan struct{}, 1)}, nil
}

// Ready is closed once the API has had the node as Ready.
func (n *Node) Ready() <-chan struct{} { return n.ready }

// Get is the node's object as it was last read or written, nil before.
func (n *Node) Get() *v1.Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.node
}

// Allocatable is what pods may take of the node together.
func (o Options) Allocatable() v1.ResourceList {
	list := o.Host.capacity()
	for name, quantity := range list {
		if reserved, ok := o.Reserved[name]; ok {
			quantity.Sub(reserved)
			if quantity.Sign() < 0 {
				quantity.Set(0)
			}
			list[name] = quantity
		}
	}
	return list
}

// CheckNow has the node's health looked at at once.
func (n *Node) CheckNow() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// Run registers the node and keeps its status until ctx ends.
func (n *Node) Run(ctx context.Context) error {
	defer n.metrics.set.Unregister()
	var lease sync.WaitGroup
	defer lease.Wait()
	lease.Go(func() { n.renewLease(ctx) })
	pause := notReadyInterval
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-n.wake:
		}
		healthy, err := n.report(ctx)
		if err != nil && ctx.Err() == nil {
			n.o.Logger.Warn("node status not written, trying again", "error", err)
		}
		next := checkInterval
		if err != nil || !healthy {
			next, pause = pause, min(2*pause, maxNotReadyInterval)
		} else {
			pause = notReadyInterval
		}
		timer.Reset(next)
	}
}

// report looks at the machine and writes the status when it has changed or is
// due. It returns whether the node is ready.
func (n *Node) report(ctx context.Context) (healthy bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	trouble := n.runtimeTrouble(ctx)
	n.readVersion(ctx)
	n.readImages(ctx)
	current, err := n.object(ctx)
	if err != nil {
		return false, err
	}
	next := current.DeepCopy()
	now := time.Now()
	n.setFacts(next)
	changes := setConditions(next, trouble, n.o.Pressure(), now)
	if n.due(current, next, now) {
		if next, err = n.write(ctx, current, next); err != nil {
			return false, err
		}
		n.reported = now
		n.announce(changes, next)
	}
	n.keep(next)
	return trouble == nil, nil
}

// Fetch reads the node's object from the API.
func (n *Node) Fetch(ctx context.Context) (*v1.Node, error) {
	node, err := n.o.Client.CoreV1().Nodes().Get(ctx, n.o.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read node %s: %w", n.o.Name, err)
	}
	n.keep(node)
	return node, nil
}

func (n *Node) keep(node *v1.Node) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.node = node
}

// runtimeTrouble is why pods cannot run now, in the kubelet's words; nil when
// they can.
func (n *Node) runtimeTrouble(ctx context.Context) error {
	answer, err := n.o.Runtime.Status(ctx, &cri.StatusRequest{})
	if err != nil {
		return fmt.Errorf("container runtime is down: %w", err)
	}
	var errs []error
	for _, condition := range answer.GetStatus().GetConditions() {
		what := map[string]string{
			cri.RuntimeReady: "container runtime not ready", cri.NetworkReady: "container runtime network not ready",
		}[condition.GetType()]
		if what == "" || condition.GetStatus() {
			continue // others are hints
		}
		errs = append(errs, fmt.Errorf("%s: %s=false reason:%s message:%s", what, condition.GetType(), condition.GetReason(), condition.GetMessage()))
	}
	return errors.Join(errs...)
}

func (n *Node) readVersion(ctx context.Context) {
	if n.runtimeVersion != "" {
		return
	}
	if v, err := n.o.Runtime.Version(ctx, &cri.VersionRequest{}); err == nil {
		n.runtimeVersion = v.GetRuntimeName() + "://" + trimV(v.GetRuntimeVersion())
	}
}

func trimV(version string) string {
	if len(version) > 0 && version[0] == 'v' {
		return version[1:]
	}
	return version
}

const (
	// maxImages of the largest images, with up to maxNames names each, are told.
	maxImages, maxNames = 50, 5
	// imagesInterval is how old the list of images may be.
	imagesInterval = 30 * time.Second
)

// readImages lists the images now and then.
func (n *Node) readImages(ctx context.Context) {
	if time.Since(n.imagesAt) < imagesInterval {
		return
	}
	answer, err := n.o.Images.ListImages(ctx, &cri.ListImagesRequest{})
	if err != nil {
		return
	}
	n.imagesAt = time.Now()
	n.images = n.images[:0:0]
	for _, image := range answer.GetImages() {
		names := append(slices.Clone(image.GetRepoDigests()), image.GetRepoTags()...)
		if len(names) > 0 {
			n.images = append(n.images, v1.ContainerImage{Names: names[:min(len(names), maxNames)], SizeBytes: int64(image.GetSize())})
		}
	}
	slices.SortFunc(n.images, func(a, b v1.ContainerImage) int {
		return cmp.Or(cmp.Compare(b.SizeBytes, a.SizeBytes), slices.Compare(a.Names, b.Names))
	})
	n.images = n.images[:min(len(n.images), maxImages)]
}
