package runtime

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
)

// writableLayer finds the directory of a container's writable layer on the
// host, from how its root is mounted; empty for anything but an overlay.
func writableLayer(proc string, pid int) string {
	table, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "mountinfo"))
	if err != nil {
		return "" // gone, or not ours to read
	}
	return upperDir(table)
}

// upperDir reads a mount table: "id parent dev root mountpoint options
// [tags…] - type source options".
func upperDir(table []byte) (dir string) {
	for line := range bytes.Lines(table) {
		mount, filesystem, ok := bytes.Cut(line, []byte(" - "))
		fields, rest := bytes.Fields(mount), bytes.Fields(filesystem)
		if !ok || len(fields) < 5 || len(rest) < 3 || string(fields[4]) != "/" {
			continue
		}
		dir = "" // a later mount on "/" covers an earlier one
		if string(rest[0]) != "overlay" {
			continue
		}
		for option := range bytes.SplitSeq(rest[2], []byte{','}) {
			if path, ok := bytes.CutPrefix(option, []byte("upperdir=")); ok && filepath.IsAbs(string(path)) {
				dir = string(path)
			}
		}
	}
	return dir
}
