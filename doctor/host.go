package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// capabilities beyond which the collector sees less, by bit number
// (linux/capability.h).
var capabilities = []struct {
	bit   uint
	name  string
	costs string
}{
	{2, "CAP_DAC_READ_SEARCH", "log files and writable layers of containers cannot be read"},
	{19, "CAP_SYS_PTRACE", "the network namespaces of others' processes cannot be told apart: no network figures"},
	{21, "CAP_SYS_ADMIN", "network namespaces cannot be entered: figures per interface are read the dear way"},
}

func checkPrivileges(_ context.Context, o Options) []Finding {
	effective, err := effectiveCapabilities(o.Root)
	if err != nil {
		return []Finding{{"privileges", Cost, err.Error(), "what can be read is not known"}}
	}
	var findings []Finding
	for _, c := range capabilities {
		if effective&(1<<c.bit) == 0 {
			findings = append(findings, Finding{"privileges", Cost, "no " + c.name, c.costs})
		}
	}
	if findings == nil {
		return []Finding{{"privileges", OK, fmt.Sprintf("uid %d with all capabilities of use", os.Geteuid()), ""}}
	}
	return findings
}

func effectiveCapabilities(root string) (uint64, error) {
	text, err := os.ReadFile(filepath.Join(root, "/proc/self/status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if hex, ok := strings.CutPrefix(line, "CapEff:"); ok {
			return strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
		}
	}
	return 0, fmt.Errorf("%s/proc/self/status has no CapEff line", root)
}

// filesPerContainer is how many files the collector keeps open for each.
const filesPerContainer = 10

func checkLimits(_ context.Context, o Options) []Finding {
	var findings []Finding
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err == nil {
		f := Finding{Check: "limits", Status: OK, Seen: fmt.Sprintf("%d open files allowed", files.Max)}
		if files.Max < 500*filesPerContainer {
			f.Status, f.Means = Cost, fmt.Sprintf("enough to keep the files of %d containers open; those of the rest are reopened for each sample", files.Max/filesPerContainer)
		}
		findings = append(findings, f)
	}
	text, err := os.ReadFile(filepath.Join(o.Root, "/proc/sys/fs/inotify/max_user_watches"))
	if err != nil {
		return append(findings, Finding{"limits", Cost, "no inotify: " + err.Error(), "new containers are found by the rescan only, once a minute"})
	}
	watches, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	f := Finding{Check: "limits", Status: OK, Seen: fmt.Sprintf("%d inotify watches allowed", watches)}
	if watches < 8192 {
		f.Status, f.Means = Cost, "raise fs.inotify.max_user_watches: with many cgroups new ones are found by the rescan only"
	}
	return append(findings, f)
}

func checkRuntimes(_ context.Context, o Options) []Finding {
	var findings []Finding
	for _, runtime := range sortedKeys(o.Sockets) {
		for _, path := range o.Sockets[runtime] {
			conn, err := net.DialTimeout("unix", path, time.Second)
			if err == nil {
				_ = conn.Close()
				findings = append(findings, Finding{"runtimes", OK, runtime + " answers at " + path, ""})
			} else if !errors.Is(err, fs.ErrNotExist) {
				findings = append(findings, Finding{"runtimes", Cost, fmt.Sprintf("%s: %v", runtime, err), runtime + " containers are shown by id, without names, images and logs"})
			}
		}
	}
	if findings == nil {
		return []Finding{{"runtimes", Cost, "no container runtime's socket was found", "only plain cgroups and system services are shown"}}
	}
	return findings
}

func checkDisk(_ context.Context, o Options) []Finding {
	dir := existingParent(o.DataDir)
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return []Finding{{"disk", Fail, fmt.Sprintf("%s: %v", dir, err), "there is no place for data"}}
	}
	free := st.Bavail * uint64(st.Bsize)
	f := Finding{Check: "disk", Status: OK, Seen: fmt.Sprintf("%d MiB free below %s", free>>20, dir)}
	if free < o.MinFree {
		f.Status, f.Means = Cost, fmt.Sprintf("less than %d MiB: caps on spools and stores will shed old data soon", o.MinFree>>20)
	}
	if unix.Access(dir, unix.W_OK) != nil {
		f.Status, f.Means = Fail, "not writable: choose another --data-dir"
	}
	return []Finding{f}
}

// existingParent is the nearest folder upwards that exists.
func existingParent(dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "/"
	}
	for dir != "/" {
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return dir
}

func checkPorts(ctx context.Context, o Options) []Finding {
	var findings []Finding
	for _, address := range o.Listen {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err != nil {
			findings = append(findings, Finding{"ports", Fail, err.Error(), "stop what listens there, or choose another address"})
			continue
		}
		_ = l.Close()
		findings = append(findings, Finding{"ports", OK, address + " is free", ""})
	}
	return findings
}
