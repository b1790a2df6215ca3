package cgroup

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lubberline/lubberline/collector/reading"
)

// deviceNames knows block devices by number. It is used by one goroutine.
type deviceNames struct {
	sys   string // /sys
	names map[[2]uint32]string
}

// name is "/dev/vda", or "254:0" for a device that the machine does not know.
func (d *deviceNames) name(major, minor uint32) string {
	key := [2]uint32{major, minor}
	name, ok := d.names[key]
	if !ok {
		name = d.lookup(major, minor)
		d.names[key] = name
	}
	return name
}

func (d *deviceNames) lookup(major, minor uint32) string {
	number := fmt.Sprintf("%d:%d", major, minor)
	text, err := os.ReadFile(filepath.Join(d.sys, "dev/block", number, "uevent"))
	if err != nil {
		return number
	}
	for len(text) > 0 {
		var line []byte
		line, text = nextLine(text)
		if name, ok := bytes.CutPrefix(line, []byte("DEVNAME=")); ok && len(name) > 0 {
			return "/dev/" + string(name)
		}
	}
	return number
}

// blockIO collects the figures of one cgroup's devices, which the kernel gives
// as lines in no order, from one file or from two.
type blockIO struct {
	names   *deviceNames
	devices []blockDevice
}

type blockDevice struct {
	major, minor uint32
	io           reading.DeviceIO
}

// device returns the figures of a device, which is new when it was not seen.
func (b *blockIO) device(major, minor uint32) *reading.DeviceIO {
	for i := range b.devices {
		if d := &b.devices[i]; d.major == major && d.minor == minor {
			return &d.io
		}
	}
	io := reading.DeviceIO{Device: b.names.name(major, minor)}
	b.devices = append(b.devices, blockDevice{major, minor, io})
	return &b.devices[len(b.devices)-1].io
}

// publish writes the figures to dst and returns it.
func (b *blockIO) publish(dst []reading.DeviceIO) []reading.DeviceIO {
	dst = dst[:0]
	for i := range b.devices {
		dst = append(dst, b.devices[i].io)
	}
	return dst
}

// parseThrottle reads one of v1's blkio.throttle files: "254:0 Read 4096". The
// figures are bytes or, when serviced is set, operations. Only reads and writes
// are taken; Sync and Async are the same ones counted in another way.
func (b *blockIO) parseThrottle(text []byte, serviced bool) {
	for len(text) > 0 {
		var line []byte
		line, text = nextLine(text)
		major, minor, rest, ok := parseDevice(line)
		if !ok {
			continue
		}
		op, v, ok := keyValue(rest)
		if !ok {
			continue
		}
		b.putThrottle(major, minor, op, v, serviced)
	}
}

func (b *blockIO) putThrottle(major, minor uint32, op []byte, v uint64, serviced bool) {
	var read bool
	switch string(op) {
	case "Read":
		read = true
	case "Write":
	default:
		return
	}
	d := b.device(major, minor)
	switch {
	case read && serviced:
		d.Reads = v
	case read:
		d.ReadBytes = v
	case serviced:
		d.Writes = v
	default:
		d.WriteBytes = v
	}
}

// parseIOStat reads v2's io.stat: "254:0 rbytes=4096 wbytes=0 rios=1 wios=0 …".
func (b *blockIO) parseIOStat(text []byte) {
	for len(text) > 0 {
		var line []byte
		line, text = nextLine(text)
		major, minor, rest, ok := parseDevice(line)
		if !ok || len(rest) == 0 { // the kernel lists devices of which it says nothing
			continue
		}
		putIOStat(b.device(major, minor), rest)
	}
}

func putIOStat(d *reading.DeviceIO, pairs []byte) {
	for len(pairs) > 0 {
		var pair []byte
		pair, pairs = nextWord(pairs)
		i := bytes.IndexByte(pair, '=')
		if i < 0 {
			continue
		}
		v, ok := parseScalar(pair[i+1:])
		if !ok {
			continue
		}
		switch string(pair[:i]) {
		case "rbytes":
			d.ReadBytes = v
		case "wbytes":
			d.WriteBytes = v
		case "rios":
			d.Reads = v
		case "wios":
			d.Writes = v
		}
	}
}
