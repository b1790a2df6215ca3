package host

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/procfs/blockdevice"
)

// disks reads /proc/diskstats.
type disks struct {
	fs     blockdevice.FS
	labels labelCache
}

func newDisks(fs blockdevice.FS) *disks { return &disks{fs: fs, labels: newLabelCache("device")} }

func (*disks) name() string { return "diskstats" }

// sectorBytes is the unit of sector counts in diskstats, whatever the device.
const sectorBytes = 512

var diskColumns = []column[*blockdevice.Diskstats]{
	{"node_disk_reads_completed_total", func(d *blockdevice.Diskstats) float64 { return float64(d.ReadIOs) }},
	{"node_disk_writes_completed_total", func(d *blockdevice.Diskstats) float64 { return float64(d.WriteIOs) }},
	{"node_disk_read_bytes_total", func(d *blockdevice.Diskstats) float64 { return float64(d.ReadSectors) * sectorBytes }},
	{"node_disk_written_bytes_total", func(d *blockdevice.Diskstats) float64 { return float64(d.WriteSectors) * sectorBytes }},
	{"node_disk_read_time_seconds_total", func(d *blockdevice.Diskstats) float64 { return float64(d.ReadTicks) / 1000 }},
	{"node_disk_write_time_seconds_total", func(d *blockdevice.Diskstats) float64 { return float64(d.WriteTicks) / 1000 }},
	{"node_disk_io_time_seconds_total", func(d *blockdevice.Diskstats) float64 { return float64(d.IOsTotalTicks) / 1000 }},
	{"node_disk_io_time_weighted_seconds_total", func(d *blockdevice.Diskstats) float64 { return float64(d.WeightedIOTicks) / 1000 }},
	{"node_disk_io_now", func(d *blockdevice.Diskstats) float64 { return float64(d.IOsInProgress) }},
}

func (d *disks) read(_ context.Context, _ time.Time, out *points) error {
	stats, err := d.fs.ProcDiskstats()
	if err != nil {
		return err
	}
	stats = slices.DeleteFunc(stats, func(s blockdevice.Diskstats) bool { return isPartOrPseudo(s.DeviceName) })
	for _, c := range diskColumns {
		for i := range stats {
			out.add(c.name, d.labels.of(stats[i].DeviceName), c.get(&stats[i]))
		}
	}
	return nil
}

// isPartOrPseudo leaves out what node_exporter leaves out: RAM, loop and floppy
// devices, and partitions, whose traffic is in that of the disk.
func isPartOrPseudo(device string) bool {
	name := strings.TrimRight(device, "0123456789")
	if len(name) == len(device) {
		return false
	}
	switch name {
	case "z", "ram", "loop", "fd":
		return true
	}
	if disk, ok := strings.CutSuffix(name, "p"); ok && strings.HasPrefix(disk, "nvme") {
		return true
	}
	return isLettered(name)
}

// isLettered says whether the name is that of a SCSI, IDE, virtio or Xen disk,
// so that digits after it number a partition.
func isLettered(name string) bool {
	for _, prefix := range []string{"xvd", "hd", "sd", "vd"} {
		if letters, ok := strings.CutPrefix(name, prefix); ok && letters != "" {
			return true
		}
	}
	return false
}
