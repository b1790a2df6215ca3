package containerlog

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/utils/clock"

	"github.com/lubberline/lubberline/ownmetrics"
)

const (
	gzipSuffix = ".gz"
	tempSuffix = ".tmp"
	// stampName is how rotated files end.
	stampName = "20060102-150405"
	// rotatePeriod is how often sizes are looked at.
	rotatePeriod = 10 * time.Second
)

// Log is the file of one running container.
type Log struct{ ContainerID, Path string }

// Runtime opens the container's log file again.
type Runtime interface {
	ReopenContainerLog(ctx context.Context, in *runtimeapi.ReopenContainerLogRequest, opts ...grpc.CallOption) (*runtimeapi.ReopenContainerLogResponse, error)
}

// RotatorOptions is what a Rotator needs.
type RotatorOptions struct {
	Runtime Runtime
	// Logs lists the running containers' logs.
	Logs func() []Log
	// MaxSize in bytes makes a file old (10 MiB when 0), MaxFiles is how many
	// are kept of a container, the newest included (5 when 0).
	MaxSize    int64
	MaxFiles   int
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Clock      clock.WithTicker
}

// Rotator renames log files that have grown and lets the runtime begin new
// ones. Of a container's older files all but the newest are compressed.
type Rotator struct {
	o                 RotatorOptions
	rotated, failures prometheus.Counter
	set               ownmetrics.Set
}

// NewRotator checks the options.
func NewRotator(o RotatorOptions) (*Rotator, error) {
	if o.Runtime == nil || o.Logs == nil {
		return nil, fmt.Errorf("containerlog: runtime and logs are needed")
	}
	if o.MaxSize == 0 {
		o.MaxSize = 10 << 20
	}
	if o.MaxFiles == 0 {
		o.MaxFiles = 5
	}
	if o.MaxFiles < 2 {
		return nil, fmt.Errorf("containerlog: %d files of a container: at least 2 must be kept", o.MaxFiles)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	r := &Rotator{
		o:        o,
		rotated:  prometheus.NewCounter(prometheus.CounterOpts{Name: "lubberline_containerlog_rotations_total", Help: "Rotations of container log files."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "lubberline_containerlog_failures_total", Help: "Container log files that could not be rotated."}),
	}
	var err error
	r.set, err = ownmetrics.Register(o.Registerer, r.rotated, r.failures)
	return r, err
}

// Run rotates until ctx ends.
func (r *Rotator) Run(ctx context.Context) error {
	defer r.set.Unregister()
	ticker := r.o.Clock.NewTicker(rotatePeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
			r.RotateAll(ctx)
		}
	}
}

// RotateAll looks at every log once.
func (r *Rotator) RotateAll(ctx context.Context) {
	for _, l := range r.o.Logs() {
		info, err := os.Stat(l.Path)
		if errors.Is(err, fs.ErrNotExist) {
			// The runtime, or a crash in the middle of a rotation, left none.
			err = r.reopen(ctx, l)
		} else if err == nil && info.Size() >= r.o.MaxSize {
			err = r.rotate(ctx, l)
		}
		if err != nil && ctx.Err() == nil {
			r.failures.Inc()
			r.o.Logger.Warn("cannot rotate a container's log", "path", l.Path, "err", err)
		}
	}
}

// rotate makes room, compresses what nobody is writing any more, and renames.
func (r *Rotator) rotate(ctx context.Context, l Log) error {
	if err := removeLeftovers(l.Path); err != nil {
		return err
	}
	old, err := rotatedFiles(l.Path)
	if err != nil {
		return err
	}
	// The file being rotated now and the new one are two of those kept.
	for len(old) > r.o.MaxFiles-2 {
		if err := os.Remove(old[0]); err != nil {
			return err
		}
		old = old[1:]
	}
	for _, name := range old {
		if filepath.Ext(name) != gzipSuffix {
			if err := compress(name); err != nil {
				return err
			}
		}
	}
	return r.rename(ctx, l)
}

func (r *Rotator) rename(ctx context.Context, l Log) error {
	rotated := l.Path + "." + r.o.Clock.Now().Format(stampName)
	if _, err := os.Lstat(rotated); err == nil {
		return nil // twice in a second: next time
	}
	if err := os.Rename(l.Path, rotated); err != nil {
		return err
	}
	if err := r.reopen(ctx, l); err != nil {
		// The runtime still writes to the renamed file: give it its name back.
		if _, e := os.Lstat(l.Path); errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, os.Rename(rotated, l.Path))
		}
		return err
	}
	r.rotated.Inc()
	return nil
}

func (r *Rotator) reopen(ctx context.Context, l Log) error {
	_, err := r.o.Runtime.ReopenContainerLog(ctx, &runtimeapi.ReopenContainerLogRequest{ContainerId: l.ContainerID})
	if err != nil {
		return fmt.Errorf("reopen the log of container %s: %w", l.ContainerID, err)
	}
	return nil
}

// rotatedFiles lists the older files of the log, the oldest first.
func rotatedFiles(path string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		stamp, ok := strings.CutPrefix(e.Name(), filepath.Base(path)+".")
		if ok && isStamp(strings.TrimSuffix(stamp, gzipSuffix)) {
			names = append(names, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	slices.Sort(names)
	return names, nil
}

func isStamp(s string) bool {
	_, err := time.Parse(stampName, s)
	return err == nil
}

// removeLeftovers removes half-compressed files, and files of which the
// compressed form is whole.
func removeLeftovers(path string) error {
	temps, err := filepath.Glob(escapeGlob(path) + ".*" + tempSuffix)
	if err != nil {
		return err
	}
	for _, name := range temps {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	names, err := rotatedFiles(path)
	if err != nil {
		return err
	}
	for _, name := range names {
		if plain, ok := strings.CutSuffix(name, gzipSuffix); ok && slices.Contains(names, plain) {
			if err := os.Remove(plain); err != nil {
				return err
			}
		}
	}
	return nil
}

func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

// compress replaces the file by one with ".gz" after its name, which is there
// only when it is whole.
func compress(name string) error {
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	temp := name + tempSuffix
	if err := writeGzip(temp, in); err != nil {
		_ = os.Remove(temp)
		return fmt.Errorf("compress %s: %w", name, err)
	}
	if err := os.Rename(temp, name+gzipSuffix); err != nil {
		return err
	}
	return os.Remove(name)
}

func writeGzip(name string, in io.Reader) (err error) {
	out, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	z := gzip.NewWriter(out)
	if _, err := io.Copy(z, in); err != nil {
		return err
	}
	return z.Close()
}
