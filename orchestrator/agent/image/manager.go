// Package image brings images onto the node as pods' pull policies say, and
// takes away those that nothing uses when the disk fills.
package image

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
	"google.golang.org/grpc"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/flowcontrol"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/utils/clock"

	"github.com/lubberline/lubberline/orchestrator/agent/worker"
	"github.com/lubberline/lubberline/ownmetrics"
)

// Service is what is needed of CRI's image service.
type Service interface {
	ImageStatus(context.Context, *runtimeapi.ImageStatusRequest, ...grpc.CallOption) (*runtimeapi.ImageStatusResponse, error)
	PullImage(context.Context, *runtimeapi.PullImageRequest, ...grpc.CallOption) (*runtimeapi.PullImageResponse, error)
	ListImages(context.Context, *runtimeapi.ListImagesRequest, ...grpc.CallOption) (*runtimeapi.ListImagesResponse, error)
	RemoveImage(context.Context, *runtimeapi.RemoveImageRequest, ...grpc.CallOption) (*runtimeapi.RemoveImageResponse, error)
}

// Containers lists all containers, whose images are in use.
type Containers interface {
	ListContainers(context.Context, *runtimeapi.ListContainersRequest, ...grpc.CallOption) (*runtimeapi.ListContainersResponse, error)
}

// Secrets reads image pull secrets.
type Secrets interface {
	Secret(ctx context.Context, namespace, name string) (*corev1.Secret, error)
}

// Options is what a Manager needs.
type Options struct {
	Service    Service
	Containers Containers
	Secrets    Secrets
	// Parallel is how many images may be pulled at the same time; 0 is no limit,
	// 1 is one after the other.
	Parallel int
	// Disk measures the file system that holds the images.
	Disk func() (capacity, available uint64, err error)
	// HighPercent and LowPercent of the disk in use begin and end the removal of
	// images: 85 and 80 when both are 0. MinAge is how long an image is kept
	// after it was first seen or last used: 2 minutes when 0.
	HighPercent, LowPercent uint64
	MinAge                  time.Duration
	// Node is what events about the disk are about, nil for none.
	Node       *corev1.ObjectReference
	Events     record.EventRecorder
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Clock      clock.WithTicker
}

// Back-off of failed pulls, of one image for one pod.
const (
	firstBackOff = 10 * time.Second
	lastBackOff  = 5 * time.Minute
)

// Manager is safe for use by many goroutines.
type Manager struct {
	o       Options
	metrics *metrics
	set     ownmetrics.Set
	slots   *semaphore.Weighted // nil for no limit
	pulls   singleflight.Group
	backOff *flowcontrol.Backoff

	mu     sync.Mutex
	failed map[string]string   // guarded by mu; last failure by back-off key
	seen   map[string]*history // guarded by mu; images by id
}

// history is what garbage collection remembers of an image.
type history struct{ firstSeen, lastUsed time.Time }

var _ worker.Images = (*Manager)(nil)

// New checks the options. Garbage is collected while Run runs.
func New(o Options) (*Manager, error) {
	if o.Service == nil || o.Containers == nil || o.Secrets == nil {
		return nil, fmt.Errorf("image: image service, containers and secrets are needed")
	}
	if o.HighPercent == 0 && o.LowPercent == 0 {
		o.HighPercent, o.LowPercent = 85, 80
	}
	if o.LowPercent > o.HighPercent || o.HighPercent > 100 {
		return nil, fmt.Errorf("image: thresholds %d and %d %% of the disk: the low one must not be above the high one, nor any above 100", o.LowPercent, o.HighPercent)
	}
	if o.MinAge == 0 {
		o.MinAge = 2 * time.Minute
	}
	if o.Events == nil {
		o.Events = &record.FakeRecorder{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	m := &Manager{
		o: o, metrics: newMetrics(), failed: map[string]string{}, seen: map[string]*history{},
		backOff: flowcontrol.NewBackOff(firstBackOff, lastBackOff),
	}
	m.backOff.Clock = o.Clock
	if o.Parallel > 0 {
		m.slots = semaphore.NewWeighted(int64(o.Parallel))
	}
	var err error
	m.set, err = m.metrics.register(o.Registerer)
	return m, err
}
