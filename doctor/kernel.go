package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

func checkKernel(context.Context, Options) []Finding {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return []Finding{{"kernel", Fail, err.Error(), "Lubberline needs Linux"}}
	}
	release := unix.ByteSliceToString(u.Release[:])
	f := Finding{Check: "kernel", Status: OK, Seen: release}
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err == nil && (major < 4 || (major == 4 && minor < 15)) {
		f.Status, f.Means = Cost, "older than 4.15: cgroup v2 figures are incomplete"
	}
	return []Finding{f}
}

// mount is the part of a /proc/self/mountinfo line that is of use here.
type mount struct{ point, fstype, options string }

func cgroupMounts(root string) ([]mount, error) {
	text, err := os.ReadFile(filepath.Join(root, "/proc/self/mountinfo"))
	if err != nil {
		return nil, err
	}
	var found []mount
	for line := range strings.Lines(string(text)) {
		before, after, ok := strings.Cut(strings.TrimSpace(line), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if ok && len(left) > 4 && len(right) > 2 && strings.HasPrefix(right[0], "cgroup") {
			found = append(found, mount{left[4], right[0], right[2]})
		}
	}
	return found, nil
}

// controllerCosts is what the collector cannot show without a controller.
var controllerCosts = map[string]string{
	"cpuacct": "no CPU usage of containers",
	"cpu":     "no throttling figures",
	"memory":  "no memory figures of containers",
	"blkio":   "no block I/O of containers",
	"pids":    "no thread counts",
}

func checkCgroups(_ context.Context, o Options) []Finding {
	mounts, err := cgroupMounts(o.Root)
	if err != nil {
		return []Finding{{"cgroups", Fail, err.Error(), "without mountinfo no cgroup can be found"}}
	}
	have, layout := controllers(o.Root, mounts)
	if len(mounts) == 0 {
		return []Finding{{"cgroups", Fail, "no cgroup filesystem is mounted", "no container can be seen"}}
	}
	findings := []Finding{{"cgroups", OK, layout + ": " + strings.Join(sortedKeys(have), " "), ""}}
	for _, name := range sortedKeys(controllerCosts) {
		if !have[name] {
			findings = append(findings, Finding{"cgroups", Cost, "no " + name + " controller", controllerCosts[name]})
		}
	}
	return findings
}

func controllers(root string, mounts []mount) (have map[string]bool, layout string) {
	have = map[string]bool{}
	var v1, v2 bool
	for _, m := range mounts {
		names := strings.Split(m.options, ",")
		if m.fstype == "cgroup2" {
			v2 = true
			text, _ := os.ReadFile(filepath.Join(root, m.point, "cgroup.controllers"))
			names = strings.Fields(string(text))
		} else {
			v1 = true
		}
		for _, n := range names {
			noteController(have, n, m.fstype)
		}
	}
	switch {
	case v1 && v2:
		return have, "v1 with v2 beside it (hybrid)"
	case v2:
		return have, "v2"
	}
	return have, "v1"
}

func noteController(have map[string]bool, name, fstype string) {
	if fstype == "cgroup2" {
		switch name { // v2 merges cpuacct into cpu and renames blkio
		case "cpu":
			have["cpuacct"] = true
		case "io":
			name = "blkio"
		}
	}
	if _, ours := controllerCosts[name]; ours {
		have[name] = true
	}
}

func checkPressure(_ context.Context, o Options) []Finding {
	if _, err := os.Stat(filepath.Join(o.Root, "/proc/pressure/cpu")); err != nil {
		return []Finding{{"pressure", Cost, "no /proc/pressure", "the kernel keeps no pressure figures (boot with psi=1): container_pressure_* and node_pressure_* are absent"}}
	}
	return []Finding{{"pressure", OK, "/proc/pressure is there", ""}}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
