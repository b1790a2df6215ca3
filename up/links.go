package up

import (
	"fmt"
	"os"
	"path/filepath"
)

// Where people and commands find what `lubberline up` runs on this machine,
// wherever its data lies: links to the files of the one started last.
const (
	KubeconfigLink = "/run/lubberline/kubeconfig"
	RuntimeLink    = "/run/lubberline/containerd.sock"
)

// link makes path lead to target, in place of what was there.
func link(path, target string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("link %s: %w", path, err)
	}
	next := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.Symlink(target, next); err != nil {
		return fmt.Errorf("link %s: %w", path, err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("link %s: %w", path, err)
	}
	return nil
}

// unlink takes the link away if it still leads to target.
func unlink(path, target string) error {
	if now, err := os.Readlink(path); err != nil || now != target {
		return nil //nolint:nilerr // another one's
	}
	return os.Remove(path)
}
