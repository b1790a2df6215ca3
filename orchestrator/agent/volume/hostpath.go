package volume

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// checkHostPath makes what the type says is to be made, and checks the rest.
func checkHostPath(s *corev1.HostPathVolumeSource) error {
	if err := noBacksteps(s.Path); err != nil {
		return fmt.Errorf("invalid HostPath `%s`: %w", s.Path, err)
	}
	kind := corev1.HostPathUnset
	if s.Type != nil {
		kind = *s.Type
	}
	info, err := os.Stat(s.Path)
	missing := os.IsNotExist(err)
	switch {
	case kind == corev1.HostPathUnset:
		return nil
	case kind == corev1.HostPathDirectoryOrCreate && missing:
		return os.MkdirAll(s.Path, 0o755)
	case kind == corev1.HostPathFileOrCreate && missing:
		return createFile(s.Path)
	}
	return checkType(s.Path, kind, info)
}

func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// hostPathTypes says what each type wants to find, and its name in errors.
var hostPathTypes = map[corev1.HostPathType]struct {
	is   func(fs.FileMode) bool
	name string
}{
	corev1.HostPathDirectory:         {fs.FileMode.IsDir, "directory"},
	corev1.HostPathDirectoryOrCreate: {fs.FileMode.IsDir, "directory"},
	corev1.HostPathFile:              {fs.FileMode.IsRegular, "file"},
	corev1.HostPathFileOrCreate:      {fs.FileMode.IsRegular, "file"},
	corev1.HostPathSocket:            {func(m fs.FileMode) bool { return m&fs.ModeSocket != 0 }, "socket file"},
	corev1.HostPathCharDev:           {func(m fs.FileMode) bool { return m&fs.ModeCharDevice != 0 }, "character device"},
	corev1.HostPathBlockDev:          {func(m fs.FileMode) bool { return m&fs.ModeDevice != 0 && m&fs.ModeCharDevice == 0 }, "block device"},
}

// checkType takes a nil info for what cannot be looked at.
func checkType(path string, kind corev1.HostPathType, info fs.FileInfo) error {
	want, ok := hostPathTypes[kind]
	if !ok {
		return fmt.Errorf("%s is an invalid volume type", kind)
	}
	if info == nil || !want.is(info.Mode()) {
		return fmt.Errorf("hostPath type check failed: %s is not a %s", path, want.name)
	}
	return nil
}

func noBacksteps(path string) error {
	if slices.Contains(strings.Split(path, "/"), "..") {
		return fmt.Errorf("must not contain '..'")
	}
	return nil
}
