package alerts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// watchEvery is how often files are looked at for changes.
const watchEvery = 10 * time.Second

// Reload reads rules and receivers again. What is wrong goes on in its old form;
// the error names it.
func (m *Manager) Reload() error {
	m.reloading.Lock()
	defer m.reloading.Unlock()
	return m.reload()
}

// reload is Reload. The caller holds m.reloading.
func (m *Manager) reload() error {
	m.seen = m.watched()
	err := m.setRules()
	if m.notifier != nil {
		err = errors.Join(err, m.notifier.Reload())
	}
	m.metrics.reloads.Inc()
	if err != nil {
		m.metrics.refused.Inc()
		return fmt.Errorf("alerts: %w", err)
	}
	return nil
}

// watch reloads when a file has changed.
func (m *Manager) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.reloadChanged()
		}
	}
}

func (m *Manager) reloadChanged() {
	m.reloading.Lock()
	defer m.reloading.Unlock()
	if m.watched() == m.seen {
		return
	}
	if err := m.reload(); err != nil {
		m.log.Error("changed rules or receivers are refused, the old ones go on", "error", err)
		return
	}
	m.log.Info("rules and receivers are read again")
}

// watched is a text that changes with the files.
func (m *Manager) watched() string {
	var b strings.Builder
	note := func(path string) {
		if info, err := os.Stat(path); err == nil {
			fmt.Fprintf(&b, "%s %d %d\n", path, info.Size(), info.ModTime().UnixNano())
		}
	}
	for _, dir := range m.o.Config.Rules {
		entries, err := os.ReadDir(dir)
		if err != nil {
			fmt.Fprintf(&b, "%s %v\n", dir, err)
		}
		for _, e := range entries {
			note(filepath.Join(dir, e.Name()))
		}
	}
	if m.notifier != nil {
		for _, path := range m.notifier.Watched() {
			note(path)
		}
	}
	return b.String()
}

func inside(path, dir string) bool { return filepath.Dir(path) == filepath.Clean(dir) }
