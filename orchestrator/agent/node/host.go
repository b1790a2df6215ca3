package node

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// defaultMaxPods is how many pods a node takes unless told otherwise, as
// Kubernetes'.
const defaultMaxPods = 110

// Host is what a machine is.
type Host struct {
	MilliCPU    int64
	MemoryBytes int64
	// MaxPods is how many pods the node takes; 110 when 0.
	MaxPods int64
	// DiskBytes is the size of the file system that pods write to.
	DiskBytes                     int64
	MachineID, SystemUUID, BootID string
	Kernel, OSImage               string
	PIDs                          int64
}

// ReadHost reads what this machine is; dir is on the file system of the pods.
func ReadHost(dir string) (Host, error) {
	h := Host{MilliCPU: int64(runtime.NumCPU()) * 1000, PIDs: number("/proc/sys/kernel/pid_max")}
	var err error
	if h.MemoryBytes, err = memory("/proc/meminfo"); err != nil {
		return h, err
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return h, fmt.Errorf("size of the file system of %s: %w", dir, err)
	}
	h.DiskBytes = int64(fs.Blocks) * fs.Bsize
	h.MachineID = firstLine("/etc/machine-id", "/var/lib/dbus/machine-id")
	h.SystemUUID = firstLine("/sys/class/dmi/id/product_uuid", "/etc/machine-id")
	h.BootID = firstLine("/proc/sys/kernel/random/boot_id")
	h.Kernel = firstLine("/proc/sys/kernel/osrelease")
	h.OSImage = osImage("/etc/os-release")
	return h, nil
}

// memory is the machine's memory in bytes.
func memory(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("size of the memory: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == "MemTotal:" {
			kibibytes, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("size of the memory: %w", err)
			}
			return kibibytes << 10, nil
		}
	}
	return 0, fmt.Errorf("size of the memory: no MemTotal in %s", path)
}

func number(path string) int64 {
	n, err := strconv.ParseInt(firstLine(path), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// firstLine is that of the first of the files which can be read.
func firstLine(paths ...string) string {
	for _, path := range paths {
		if text, err := os.ReadFile(path); err == nil {
			line, _, _ := strings.Cut(string(text), "\n")
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// osImage is the system's name for people.
func osImage(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "Unknown"
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "PRETTY_NAME="); ok {
			return strings.Trim(value, `"'`)
		}
	}
	return "Linux"
}

// capacity is what the machine has for pods.
func (h Host) capacity() v1.ResourceList {
	return v1.ResourceList{
		v1.ResourceCPU:              *resource.NewMilliQuantity(h.MilliCPU, resource.DecimalSI),
		v1.ResourceMemory:           *resource.NewQuantity(h.MemoryBytes, resource.BinarySI),
		v1.ResourceEphemeralStorage: *resource.NewQuantity(h.DiskBytes, resource.BinarySI),
		v1.ResourcePods:             *resource.NewQuantity(cmp.Or(h.MaxPods, defaultMaxPods), resource.DecimalSI),
		"hugepages-1Gi":             *resource.NewQuantity(0, resource.DecimalSI),
		"hugepages-2Mi":             *resource.NewQuantity(0, resource.DecimalSI),
	}
}
