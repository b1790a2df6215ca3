package worker

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/agent/observed"
)

// Pauses between attempts to take away what an earlier agent left.
const (
	sweepPause = 200 * time.Millisecond
	sweepMax   = 30 * time.Second
)

// sweep takes away folders, control groups and logs of pods which neither the
// API nor the runtime has: an agent that was killed while it made or ended a
// pod leaves them. It ends when nothing is left or with ctx.
func (p *Pods) sweep(ctx context.Context) {
	for pause := sweepPause; ctx.Err() == nil; pause = min(2*pause, sweepMax) {
		err := p.sweepOnce(ctx)
		if err == nil {
			return
		}
		p.o.Logger.Debug("leftovers not removed, trying again", "error", err, "again_in", pause)
		wait(ctx, pause)
	}
}

func (p *Pods) sweepOnce(ctx context.Context) error {
	listing, err := observed.List(ctx, p.o.Runtime)
	if err != nil {
		return err
	}
	grouped, err := p.o.Cgroups.Pods()
	errs := []error{err}
	folders, err := names(p.o.PodsDir)
	errs = append(errs, err)
	for _, name := range folders {
		grouped = append(grouped, types.UID(name))
	}
	for _, uid := range grouped {
		if p.wanted(uid, listing) {
			continue
		}
		errs = append(errs, p.o.Volumes.Unmount(ctx, uid), p.o.Cgroups.Remove(uid))
	}
	return errors.Join(append(errs, p.sweepLogs(listing))...)
}

// wanted says that somebody still looks after the pod.
func (p *Pods) wanted(uid types.UID, listing observed.Listing) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.workers[uid] != nil || listing[uid] != nil
}

// sweepLogs has the logs of unknown pods removed as if the pods had ended now.
func (p *Pods) sweepLogs(listing observed.Listing) error {
	folders, err := names(p.o.LogDir)
	for _, name := range folders {
		parts := strings.Split(name, "_")
		if len(parts) != 3 || p.wanted(types.UID(parts[2]), listing) {
			continue
		}
		path := filepath.Join(p.o.LogDir, name)
		p.later(p.o.KeepLogs, func() { _ = os.RemoveAll(path) })
	}
	return err
}

func names(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var list []string
	for _, entry := range entries {
		if entry.IsDir() {
			list = append(list, entry.Name())
		}
	}
	return list, err
}
