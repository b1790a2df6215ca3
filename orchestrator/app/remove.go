package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/lubberline/lubberline/orchestrator/runtime"
)

// Remove ends the pods of an orchestrator that does not run any more, its
// container runtime, network and control groups. Objects and images stay in
// dataDir: the next start makes the pods again.
func Remove(ctx context.Context, c Config, dataDir string, log *slog.Logger) error {
	options, err := RuntimeOptions(c, dataDir, log)
	if err != nil {
		return err
	}
	err = errors.Join(runtime.Remove(ctx, options), runtime.UnmountBelow(filepath.Join(dataDir, "node")))
	if err != nil {
		return err
	}
	return removeCgroups(filepath.Join(c.Runtime.CgroupRoot, "kubepods"))
}

// removeCgroups removes the groups of pods, which are empty, in every hierarchy.
func removeCgroups(group string) error {
	roots, err := filepath.Glob("/sys/fs/cgroup/*" + group)
	if err != nil {
		return err
	}
	var errs []error
	for _, root := range append(roots, "/sys/fs/cgroup"+group) {
		errs = append(errs, removeTree(root))
	}
	return errors.Join(errs...)
}

func removeTree(root string) error {
	var dirs []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil // what is gone meanwhile is as wanted
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, dir := range slices.Backward(dirs) {
		if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove control group: %w", err))
		}
	}
	return errors.Join(errs...)
}
