package host

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/collector/hostroot"
	"github.com/lubberline/lubberline/collector/series"
)

// filesystems asks every real filesystem for its size. A network filesystem
// whose server is away can block a call for ever, so that each call has its own
// goroutine, and a mount with a call under way is not asked again.
type filesystems struct {
	proc    procfs.FS
	root    hostroot.Root
	timeout time.Duration
	statfs  func(path string, buf *unix.Statfs_t) error
	stuck   prometheus.Gauge

	changes  *mountChanges
	mounts   []*mount
	reloadAt time.Time
	answers  []answer // reused
}

// mount is one mount point. Owner of asked: filesystems.read.
type mount struct {
	path   string
	labels []series.Label
	asked  bool
	answer chan answer // capacity 1: the call ends even when nobody waits
}

type answer struct {
	labels []series.Label
	stat   unix.Statfs_t
	err    error
}

// reloadMounts is how often the mount table is read where the kernel does not tell
// of its changes: it is long on a machine with many containers, and the mounts of
// interest change seldom.
const reloadMounts = 30 * time.Second

func newFilesystems(proc procfs.FS, o Options) *filesystems {
	return &filesystems{
		proc: proc, root: o.Root, timeout: o.MountTimeout, statfs: unix.Statfs, changes: openMountChanges(o.ProcPath),
		stuck: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lubberline_host_stuck_mounts",
			Help: "Mounts that did not answer in time and are left out.",
		}),
	}
}

func (*filesystems) name() string { return "filesystem" }

var filesystemColumns = []column[*unix.Statfs_t]{
	{"node_filesystem_size_bytes", func(s *unix.Statfs_t) float64 { return float64(s.Blocks) * float64(s.Bsize) }},
	{"node_filesystem_free_bytes", func(s *unix.Statfs_t) float64 { return float64(s.Bfree) * float64(s.Bsize) }},
	{"node_filesystem_avail_bytes", func(s *unix.Statfs_t) float64 { return float64(s.Bavail) * float64(s.Bsize) }},
	{"node_filesystem_files", func(s *unix.Statfs_t) float64 { return float64(s.Files) }},
	{"node_filesystem_files_free", func(s *unix.Statfs_t) float64 { return float64(s.Ffree) }},
}

func (f *filesystems) read(ctx context.Context, now time.Time, out *points) error {
	if f.changes.any() {
		f.reloadAt = time.Time{}
	}
	if now.Before(f.reloadAt) && now.Add(reloadMounts).After(f.reloadAt) {
		return f.measure(ctx, out)
	}
	if err := f.reload(); err != nil {
		return err
	}
	f.reloadAt = now.Add(reloadMounts)
	return f.measure(ctx, out)
}

func (f *filesystems) close() error { return f.changes.close() }

// measure adds what the mounts that answer in time say.
func (f *filesystems) measure(ctx context.Context, out *points) error {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	for _, m := range f.mounts {
		f.ask(m)
	}
	f.answers = f.answers[:0]
	stuck := 0
	for _, m := range f.mounts {
		a, ok := m.wait(ctx)
		if !ok {
			stuck++
		} else if a.err == nil { // a mount that has just gone is no failure
			f.answers = append(f.answers, a)
		}
	}
	f.stuck.Set(float64(stuck))
	for _, c := range filesystemColumns {
		for i := range f.answers {
			out.add(c.name, f.answers[i].labels, c.get(&f.answers[i].stat))
		}
	}
	return nil
}

// ask starts a call, unless the last one has not come back.
func (f *filesystems) ask(m *mount) {
	if m.asked {
		return
	}
	m.asked = true
	statfs, root := f.statfs, f.root
	go func() {
		a := answer{labels: m.labels}
		a.err = statfs(root.Path(m.path), &a.stat)
		m.answer <- a
	}()
}

// wait takes the answer, if there is one before the context ends.
func (m *mount) wait(ctx context.Context) (answer, bool) {
	select {
	case a := <-m.answer:
		m.asked = false
		return a, true
	default:
	}
	select {
	case a := <-m.answer:
		m.asked = false
		return a, true
	case <-ctx.Done():
		return answer{}, false
	}
}

// reload reads the mount table: that of process 1, or where that is not
// allowed, our own. Mounts that are known are kept, with any call under way.
func (f *filesystems) reload() error {
	table, err := f.proc.GetProcMounts(1)
	if err != nil {
		table, err = f.proc.GetMounts()
	}
	if err != nil {
		return fmt.Errorf("read the mount table: %w", err)
	}
	known := make(map[string]*mount, len(f.mounts))
	for _, m := range f.mounts {
		known[m.path] = m
	}
	f.mounts = f.mounts[:0]
	for _, entry := range table {
		if m := mountOf(entry, known); m != nil {
			f.mounts = append(f.mounts, m)
		}
	}
	return nil
}

// mountOf returns the mount for an entry of the table, nil when it is of no
// interest or already covered by a later mount on the same point.
func mountOf(entry *procfs.MountInfo, known map[string]*mount) *mount {
	path := unescape(entry.MountPoint)
	if isPseudo(entry.FSType) || isRuntimes(path) {
		return nil
	}
	labels := []series.Label{
		{Name: "device", Value: unescape(entry.Source)}, {Name: "fstype", Value: entry.FSType}, {Name: "mountpoint", Value: path},
	}
	old, ok := known[path]
	if ok && old == nil {
		return nil
	}
	known[path] = nil
	if ok && slices.Equal(old.labels, labels) {
		return old
	}
	return &mount{path: path, labels: labels, answer: make(chan answer, 1)}
}

// isPseudo says whether a filesystem type has no size of interest.
func isPseudo(fstype string) bool {
	switch fstype {
	case "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs",
		"fusectl", "hugetlbfs", "iso9660", "mqueue", "nsfs", "overlay", "proc", "procfs", "pstore", "ramfs", "rootfs",
		"rpc_pipefs", "securityfs", "selinuxfs", "squashfs", "sysfs", "tracefs":
		return true
	}
	return false
}

// isRuntimes says whether a mount point belongs to the kernel or to a
// container, whose writable layer is published with the container.
func isRuntimes(path string) bool {
	for _, prefix := range []string{"/dev", "/proc", "/sys", "/run/credentials", "/run/netns", "/run/docker/netns"} {
		if path == prefix || strings.HasPrefix(path, prefix+"/") {
			return true
		}
	}
	for _, prefix := range []string{
		"/var/lib/docker/", "/var/lib/containers/storage/", "/var/lib/kubelet/pods/", "/run/containerd/", "/var/lib/containerd/",
	} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// unescape undoes the octal escapes of the mount table ("\040" for a space).
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func parseFloat(what, s string) (float64, error) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("%s %q: %w", what, s, err)
	}
	return n, nil
}
