package cgroup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"
)

// Root is the id of the root cgroup: the whole machine.
const Root = "/"

// Options say where the machine's files are and how often to look.
type Options struct {
	// Root is put before the paths of mount points, for a collector that sees
	// the machine's files under "/host"; empty for none.
	Root string
	// Proc and Sys are "/proc" and "/sys" when empty.
	Proc, Sys string
	// MountInfo is Proc/self/mountinfo when empty.
	MountInfo string
	// Rescan is how often to walk all hierarchies; 60 s when zero.
	Rescan time.Duration
	// MaxOpenFiles bounds the files kept open; three quarters of what the
	// process may have when zero. Files beyond it are opened for each read.
	MaxOpenFiles int
	Logger       *slog.Logger
	Registerer   prometheus.Registerer
}

// System is the control groups of one machine. Watch and FirstProcess may run
// beside the rest; Open and the Readers belong to one goroutine.
type System struct {
	hierarchies Hierarchies
	proc        string
	rescan      time.Duration
	logger      *slog.Logger
	shared      *shared
	metrics     *metrics
}

// New finds the mounted hierarchies. It fails when there are none.
func New(o Options) (*System, error) {
	if o.Proc == "" {
		o.Proc = "/proc"
	}
	if o.Sys == "" {
		o.Sys = "/sys"
	}
	if o.MountInfo == "" {
		o.MountInfo = filepath.Join(o.Proc, "self/mountinfo")
	}
	if o.Rescan <= 0 {
		o.Rescan = time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	text, err := os.ReadFile(o.MountInfo)
	if err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	h, err := parseMountInfo(text, o.Root)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.MountInfo, err)
	}
	s := &shared{
		buffer:  make([]byte, 64<<10),
		names:   deviceNames{sys: o.Sys, names: map[[2]uint32]string{}},
		maxOpen: int64(o.MaxOpenFiles),
	}
	if s.maxOpen <= 0 {
		s.maxOpen = openFileLimit()
	}
	m, err := newMetrics(o.Registerer, s)
	if err != nil {
		return nil, err
	}
	return &System{h, o.Proc, o.Rescan, o.Logger, s, m}, nil
}

// openFileLimit is three quarters of the descriptors the process may have. The
// Go runtime has raised the soft limit to the hard one before main began.
func openFileLimit() int64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 256
	}
	return int64(min(limit.Cur, 1<<30) / 4 * 3)
}

// Hierarchies says what was found.
func (s *System) Hierarchies() Hierarchies { return s.hierarchies }

// FirstProcess returns a process of the cgroup, to reach its namespaces by. ok
// is false when it has none. The search stops at the first: it does not read
// the list of all.
func (s *System) FirstProcess(id string) (pid int, ok bool) {
	for _, dir := range s.hierarchies.directories() {
		f, err := os.Open(filepath.Join(dir, id, "cgroup.procs"))
		if err != nil {
			continue
		}
		line, err := bufio.NewReaderSize(f, 64).ReadString('\n')
		_ = f.Close()
		if err != nil && !errors.Is(err, io.EOF) {
			continue
		}
		if pid, err := strconv.Atoi(string(bytes.TrimSpace([]byte(line)))); err == nil && pid > 0 {
			return pid, true
		}
	}
	return 0, false
}

// bootTime is when the machine started; zero when /proc does not say.
func (s *System) bootTime() time.Time {
	text, err := os.ReadFile(filepath.Join(s.proc, "stat"))
	if err != nil {
		return time.Time{}
	}
	for len(text) > 0 {
		var line []byte
		line, text = nextLine(text)
		if key, v, ok := keyValue(line); ok && string(key) == "btime" {
			return time.Unix(int64(v), 0)
		}
	}
	return time.Time{}
}
