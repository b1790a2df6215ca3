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
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/orchestrator/join"
	"github.com/lubberline/lubberline/orchestrator/podnet"
	"github.com/lubberline/lubberline/orchestrator/proxy"
	"github.com/lubberline/lubberline/orchestrator/runtime"
)

// removeBound is how long ending everything may take.
const removeBound = 3 * time.Minute

// Remove ends the pods of an orchestrator that does not run any more, its
// container runtime, network and control groups. Objects and images stay in
// dataDir: the next start makes the pods again.
func Remove(ctx context.Context, c Config, dataDir string, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, removeBound)
	defer cancel()
	if identity, err := join.Open(join.Options{Dir: IdentityDir(dataDir)}); err == nil {
		of(&c, identity.Cluster)
	}
	options, err := RuntimeOptions(c, dataDir, log)
	if err != nil {
		return err
	}
	err = errors.Join(runtime.Remove(ctx, options), runtime.UnmountBelow(filepath.Join(dataDir, "node")), proxy.Remove(ctx, c.Network.table()),
		podnet.Remove(ctx, c.Network.Pods, c.Network.translation()))
	if err != nil {
		return err
	}
	return removeCgroups(ctx, filepath.Join(c.Runtime.CgroupRoot, "kubepods"))
}

// removeCgroups removes the groups of pods in every hierarchy, and kills what a
// runtime that lost its memory has left in them.
func removeCgroups(ctx context.Context, group string) error {
	roots, err := filepath.Glob("/sys/fs/cgroup/*" + group)
	if err != nil {
		return err
	}
	roots = append(roots, "/sys/fs/cgroup"+group)
	for {
		var left error
		for _, root := range roots {
			left = errors.Join(left, removeTree(root))
		}
		if left == nil {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond): // the killed take a moment to end
		case <-ctx.Done():
			return left
		}
	}
}

// removeTree removes the groups from the leaves up; the error is of the first
// that cannot be removed yet.
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
	for _, dir := range slices.Backward(dirs) {
		err := os.Remove(dir)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		killAll(filepath.Join(dir, "cgroup.procs"))
		return fmt.Errorf("remove control group: %w", err)
	}
	return nil
}

// killAll kills the processes that the file lists.
func killAll(file string) {
	list, err := os.ReadFile(file)
	if err != nil {
		return
	}
	for line := range strings.FieldsSeq(string(list)) {
		if pid, err := strconv.Atoi(line); err == nil {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}
