// Package host reads the machine under node_exporter's and cAdvisor's names.
// Each source stands for itself: when one fails, the others are still there, and
// its failure shows in the own metrics.
package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"
	"github.com/prometheus/procfs/blockdevice"

	"github.com/lubberline/lubberline/collector/hostroot"
	"github.com/lubberline/lubberline/collector/series"
)

// Options say where the machine is and how long its parts may take.
type Options struct {
	// ProcPath and SysPath are where procfs and sysfs are mounted; "/proc" and
	// "/sys" when empty.
	ProcPath, SysPath string
	// Root is where the machine's mount points and /etc are.
	Root hostroot.Root
	// Hostname goes into lubberline_node_info; the machine's own when empty.
	Hostname string
	// MountTimeout is how long all filesystems together may keep a reading
	// waiting; 200 ms when zero. A mount that takes longer is left out until
	// its answer has come.
	MountTimeout time.Duration
	// Logger takes a line when a source starts to fail or recovers. May be nil.
	Logger *slog.Logger
	// Registerer takes the own metrics. May be nil.
	Registerer prometheus.Registerer
}

// Host reads the machine. Read is for one goroutine, View for any.
type Host struct {
	sources []source
	failing []bool         // by source; owner: Read
	spare   []series.Point // owner: Read; what the last but one reading was in
	close   func() error
	logger  *slog.Logger
	metrics *metrics

	mu     sync.RWMutex // guards what follows
	at     time.Time
	points []series.Point
}

// source is one kind of reading. It appends the points of one metric one after
// another. errNoData means that this machine has no such thing.
type source interface {
	name() string
	read(ctx context.Context, now time.Time, out *points) error
}

var errNoData = errors.New("no data")

// New prepares the sources. It fails only when procfs cannot be opened.
func New(options Options) (*Host, error) {
	setDefaults(&options)
	proc, err := procfs.NewFS(options.ProcPath)
	if err != nil {
		return nil, fmt.Errorf("open procfs %q: %w", options.ProcPath, err)
	}
	disks, err := blockdevice.NewFS(options.ProcPath, options.SysPath)
	if err != nil {
		return nil, fmt.Errorf("open block devices in %q: %w", options.ProcPath, err)
	}
	own, filesystems := ownNetwork(options.ProcPath), newFilesystems(proc, options)
	sources := []source{
		newCPU(proc), newLoad(proc), newMemory(proc), newVMStat(options.ProcPath),
		filesystems, newDisks(disks), newInterfaces(proc, own),
		newFiles(proc), newConntrack(proc, own), newPressure(proc), newClock(), newMachine(options),
	}
	h := &Host{
		sources: sources,
		failing: make([]bool, len(sources)),
		close:   filesystems.close,
		logger:  options.Logger,
		metrics: newMetrics(options.Registerer, sources),
	}
	return h, nil
}

func setDefaults(o *Options) {
	if o.ProcPath == "" {
		o.ProcPath = "/proc"
	}
	if o.SysPath == "" {
		o.SysPath = "/sys"
	}
	if o.Hostname == "" {
		o.Hostname, _ = os.Hostname() // empty is left out of the labels
	}
	if o.MountTimeout == 0 {
		o.MountTimeout = 200 * time.Millisecond
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Read takes a new reading, which View shows from then on. A source that is slow
// holds up nobody who views the last one.
func (h *Host) Read(ctx context.Context, now time.Time) {
	out := points{list: h.spare[:0]}
	for i, s := range h.sources {
		h.readSource(ctx, now, i, s, &out)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.points, h.spare, h.at = out.list, h.points, now
}

// Close gives the mount table back. Read must have ended.
func (h *Host) Close() error { return h.close() }

// readSource takes the points of one source, and none of them when it fails.
func (h *Host) readSource(ctx context.Context, now time.Time, i int, s source, out *points) {
	begin, mark := time.Now(), len(out.list)
	err := s.read(ctx, now, out)
	failed := err != nil && !errors.Is(err, errNoData)
	h.metrics.observe(i, time.Since(begin), !failed)
	if failed {
		out.list = out.list[:mark]
	}
	if failed != h.failing[i] {
		h.failing[i] = failed
		h.log(s.name(), err)
	}
}

func (h *Host) log(source string, err error) {
	if err == nil || errors.Is(err, errNoData) {
		h.logger.Info("host source works again", "source", source)
		return
	}
	h.logger.Warn("host source failed; its metrics are left out", "source", source, "error", err)
}

// View calls f with the newest reading and its time. f must not keep the slice.
// Points of one metric stand together.
func (h *Host) View(f func(at time.Time, points []series.Point)) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	f(h.at, h.points)
}

// points collects the points of a reading.
type points struct{ list []series.Point }

func (p *points) add(name string, labels []series.Label, value float64) {
	p.list = append(p.list, series.Point{Name: name, Labels: labels, Value: value})
}

// column is one metric of a source that has several objects, like disks.
type column[T any] struct {
	name string
	get  func(T) float64
}

// labelCache keeps the labels of each object, so that a reading makes none.
type labelCache struct {
	name   string
	labels map[string][]series.Label
}

func newLabelCache(name string) labelCache {
	return labelCache{name: name, labels: make(map[string][]series.Label)}
}

func (c *labelCache) of(value string) []series.Label {
	labels, ok := c.labels[value]
	if !ok {
		if len(c.labels) >= maxCachedLabels {
			clear(c.labels)
		}
		labels = []series.Label{{Name: c.name, Value: value}}
		c.labels[value] = labels
	}
	return labels
}

// maxCachedLabels bounds a cache on a machine whose devices come and go.
const maxCachedLabels = 4096
