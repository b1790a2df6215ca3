package volume

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// The names that make the swap atomic: dataLink points to the folder of one
// writing; each visible name is a link through it.
const (
	dataLink    = "..data"
	newDataLink = "..data_tmp"
	stampFormat = "..2006_01_02_15_04_05."
)

// Limits of a path in a volume, as Linux has them.
const (
	maxPath     = 4096
	maxFileName = 255
)

// writeAtomically makes the folder hold exactly the files. It writes nothing
// when it does already. prepare is called before what was written can be seen.
func writeAtomically(dir string, files map[string]file, prepare func() error) (changed bool, err error) {
	files, err = clean(files)
	if err != nil {
		return false, err
	}
	old, err := os.Readlink(filepath.Join(dir, dataLink))
	if err != nil && !os.IsNotExist(err) {
		return false, err
	}
	if old == "" || differs(filepath.Join(dir, old), files) {
		changed = true
		if old, err = writeNew(dir, files, prepare); err != nil {
			return false, err
		}
	}
	if err := link(dir, files); err != nil {
		return changed, err
	}
	return changed, removeStale(dir, old, files)
}

func clean(files map[string]file) (map[string]file, error) {
	out := make(map[string]file, len(files))
	for name, f := range files {
		if err := checkPath(name); err != nil {
			return nil, err
		}
		out[path.Clean(name)] = f
	}
	return out, nil
}

func checkPath(p string) error {
	switch {
	case p == "":
		return fmt.Errorf("invalid path: must not be empty: %q", p)
	case path.IsAbs(p):
		return fmt.Errorf("invalid path: must be relative path: %s", p)
	case len(p) > maxPath:
		return fmt.Errorf("invalid path: must be less than or equal to %d characters", maxPath)
	}
	for item := range strings.SplitSeq(p, "/") {
		if item == ".." {
			return fmt.Errorf("invalid path: must not contain '..': %s", p)
		}
		if len(item) > maxFileName {
			return fmt.Errorf("invalid path: filenames must be less than or equal to %d characters", maxFileName)
		}
	}
	if strings.HasPrefix(path.Clean(p), "..") {
		return fmt.Errorf("invalid path: must not start with '..': %s", p)
	}
	if path.Clean(p) == "." {
		return fmt.Errorf("invalid path: must name a file: %s", p)
	}
	return nil
}

var errDiffers = errors.New("content differs")

// differs says whether the folder holds anything else than the files.
func differs(dir string, files map[string]file) bool {
	seen := 0
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		want, ok := files[name]
		have, err := os.ReadFile(p)
		if err != nil || !ok || !bytes.Equal(have, want.data) {
			return errDiffers
		}
		seen++
		return nil
	})
	return err != nil || seen != len(files)
}

// writeNew writes the files into a folder of their own, swaps it in and returns
// its name.
func writeNew(dir string, files map[string]file, prepare func() error) (string, error) {
	stamp, err := os.MkdirTemp(dir, time.Now().UTC().Format(stampFormat))
	if err != nil {
		return "", err
	}
	err = fill(stamp, files)
	if err == nil {
		err = prepare()
	}
	if err == nil {
		err = swap(dir, filepath.Base(stamp))
	}
	if err != nil {
		_ = os.RemoveAll(stamp)
		return "", err
	}
	return filepath.Base(stamp), nil
}

func fill(dir string, files map[string]file) error {
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	for name, f := range files {
		if err := writeFile(filepath.Join(dir, name), f); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(name string, f file) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	mode := os.FileMode(f.mode).Perm()
	if err := os.WriteFile(name, f.data, mode); err != nil {
		return err
	}
	if err := os.Chmod(name, mode); err != nil { // the umask has its say in WriteFile
		return err
	}
	if f.uid == nil {
		return nil
	}
	return os.Chown(name, int(*f.uid), -1)
}

func swap(dir, stamp string) error {
	next := filepath.Join(dir, newDataLink)
	if err := os.Remove(next); err != nil && !os.IsNotExist(err) { // of a writer that was killed
		return err
	}
	if err := os.Symlink(stamp, next); err != nil {
		return err
	}
	return os.Rename(next, filepath.Join(dir, dataLink))
}

// link makes the first part of each path visible.
func link(dir string, files map[string]file) error {
	for name := range files {
		top, _, _ := strings.Cut(name, "/")
		err := os.Symlink(filepath.Join(dataLink, top), filepath.Join(dir, top))
		if err != nil && !os.IsExist(err) {
			return err
		}
	}
	return nil
}

// removeStale takes away the links that nothing is behind any more and the
// folders of earlier writings.
func removeStale(dir, current string, files map[string]file) error {
	tops := map[string]bool{}
	for name := range files {
		top, _, _ := strings.Cut(name, "/")
		tops[top] = true
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		switch {
		case e.IsDir() && strings.HasPrefix(name, "..") && name != current:
			err = os.RemoveAll(filepath.Join(dir, name))
		case e.Type() == fs.ModeSymlink && !strings.HasPrefix(name, "..") && !tops[name]:
			err = os.Remove(filepath.Join(dir, name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
