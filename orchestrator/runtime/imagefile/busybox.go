package imagefile

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// BusyboxName is the image that Busybox makes, unless it is given another name.
// With the tag latest pods would try to pull it each time.
const BusyboxName = "busybox:1"

// Busybox is an image of a static busybox program of this machine (Debian's
// package busybox-static): a shell, and a link for each of its commands.
func Busybox(program, name string) (Image, error) {
	if err := RequireStatic(program); err != nil {
		return Image{}, err
	}
	data, err := os.ReadFile(program)
	if err != nil {
		return Image{}, fmt.Errorf("busybox: %w", err)
	}
	list, err := exec.Command(program, "--list").Output()
	if err != nil {
		return Image{}, fmt.Errorf("list the commands of %s: %w", program, err)
	}
	image := Image{Name: name, Command: []string{"sh"}, Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}}
	image.Files = append(userland(), File{Name: "bin/busybox", Mode: 0o755, Data: data})
	for command := range strings.FieldsSeq(string(list)) {
		if command != "busybox" {
			image.Files = append(image.Files, File{Name: "bin/" + command, Mode: 0o777, Link: "busybox"})
		}
	}
	return image, nil
}

// userland is what programs expect to find.
func userland() []File {
	files := []File{{Name: "tmp/", Mode: 0o1777}}
	for _, dir := range []string{"bin/", "data/", "dev/", "etc/", "home/", "proc/", "root/", "sys/", "usr/", "usr/bin/", "var/"} {
		files = append(files, File{Name: dir, Mode: 0o755})
	}
	return append(files,
		File{Name: "etc/passwd", Mode: 0o644, Data: []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")},
		File{Name: "etc/group", Mode: 0o644, Data: []byte("root:x:0:\nnogroup:x:65534:\n")},
	)
}
