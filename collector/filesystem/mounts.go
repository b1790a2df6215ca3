package filesystem

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/collector/reading"
)

// round is what is asked once, whatever the number of containers. It belongs to
// one goroutine.
type round struct {
	f      *Filesystems
	mounts []mount
	states map[uint64]reading.Filesystem // by device number
	failed map[uint64]error
}

// mount is a line of mountinfo.
type mount struct {
	device        uint64
	point, source string
}

func newRound(f *Filesystems) *round {
	text, err := os.ReadFile(f.mountInfo)
	if err != nil {
		f.metrics.failures.Inc()
	}
	return &round{f: f, mounts: parseMounts(string(text)), states: map[uint64]reading.Filesystem{}, failed: map[uint64]error{}}
}

// state asks the filesystem on a device, through a path that lies on it, and
// keeps the answer for the round.
func (r *round) state(device uint64, path string) (reading.Filesystem, error) {
	if err, ok := r.failed[device]; ok {
		return reading.Filesystem{}, err
	}
	if s, ok := r.states[device]; ok {
		return s, nil
	}
	var st unix.Statfs_t
	if err := r.f.statfs(path, &st); err != nil {
		err = fmt.Errorf("filesystem of %s: %w", path, err)
		r.failed[device] = err
		return reading.Filesystem{}, err
	}
	block := uint64(st.Frsize)
	s := reading.Filesystem{Device: r.name(device), Usage: (st.Blocks - min(st.Bfree, st.Blocks)) * block,
		Limit: st.Blocks * block, Available: st.Bavail * block, Inodes: st.Files, InodesFree: st.Ffree}
	r.states[device] = s
	return s, nil
}

// name is what is mounted, or the device's number.
func (r *round) name(device uint64) string {
	for _, m := range r.mounts {
		if m.device == device {
			return m.source
		}
	}
	return fmt.Sprintf("%d:%d", unix.Major(device), unix.Minor(device))
}

// machine is the state of all filesystems on block devices.
func (r *round) machine() (all []reading.Filesystem) {
	seen := map[uint64]bool{}
	for _, m := range r.mounts {
		if seen[m.device] || !strings.HasPrefix(m.source, "/dev/") {
			continue
		}
		seen[m.device] = true
		if s, err := r.state(m.device, r.f.root.Path(m.point)); err == nil {
			all = append(all, s)
		} else {
			r.f.metrics.failures.Inc()
		}
	}
	return all
}

// parseMounts reads mountinfo: "22 1 254:0 / / rw - ext4 /dev/vda rw".
func parseMounts(text string) (all []mount) {
	for line := range strings.Lines(text) {
		before, after, found := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !found || len(left) < 5 || len(right) < 2 {
			continue
		}
		hi, lo, _ := strings.Cut(left[2], ":")
		major, err1 := strconv.ParseUint(hi, 10, 32)
		minor, err2 := strconv.ParseUint(lo, 10, 32)
		if err1 != nil || err2 != nil {
			continue
		}
		all = append(all, mount{unix.Mkdev(uint32(major), uint32(minor)), unescape(left[4]), unescape(right[1])})
	}
	return all
}

// unescape undoes mountinfo's octal escapes.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
