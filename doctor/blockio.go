package doctor

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
)

// checkBlockIO looks whether a v1 kernel counts block I/O at all: newer ones do
// so only on disks for which some cgroup has a throttle rule, and then no
// container has figures, whoever reads them.
func checkBlockIO(_ context.Context, o Options) []Finding {
	mounts, err := cgroupMounts(o.Root)
	if err != nil {
		return nil // the check of cgroups says so
	}
	for _, m := range mounts {
		if m.fstype != "cgroup" || !strings.Contains(m.options, "blkio") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(o.Root, m.point, "blkio.throttle.io_service_bytes_recursive"))
		if err == nil && bytes.Equal(bytes.TrimSpace(text), []byte("Total 0")) {
			return []Finding{{"block I/O", Cost, "the kernel counts none (" + m.point + ")",
				"on cgroup v1 it counts only disks with a throttle rule: block I/O of containers is absent; cgroup v2 has it"}}
		}
	}
	return nil
}
