package notify

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
)

// status is what became of the newest configuration. mu guards all.
type status struct {
	mu        sync.Mutex
	err       error    // why it is refused
	templates []string // where its templates are, as far as that could be read
}

// lastGood is the newest configuration that was in use, for a start with one that
// is wrong. It may have secrets.
type lastGood struct {
	Path, Folder, Text string
}

func (a *Alertmanager) lastGoodPath() string { return filepath.Join(a.o.Dir, "last-good.json") }

// start takes the configuration into use, or one in its place.
func (a *Alertmanager) start() error {
	err := a.Reload()
	if err == nil {
		return nil
	}
	a.log.Error("receivers are refused", "error", err)
	if old, oldErr := a.readLastGood(); oldErr == nil {
		if p, oldErr := a.assemble(old); oldErr == nil {
			a.log.Warn("the last receivers that were right go on")
			a.use(p)
			return nil
		}
	}
	a.log.Warn("alerts are shown, and sent nowhere")
	l, err := readConfig("")
	if err != nil {
		return err
	}
	p, err := a.assemble(l)
	if err != nil {
		return err
	}
	a.use(p)
	return nil
}

// Reload reads the configuration again. When it is wrong the error is of the kind
// Problem where file and line are known, and what was in use goes on. One call at
// a time.
func (a *Alertmanager) Reload() error {
	err := a.reload()
	a.status.mu.Lock()
	a.status.err = err
	a.status.mu.Unlock()
	if err != nil {
		a.metrics.configGood.Set(0)
		return err
	}
	a.metrics.configGood.Set(1)
	return nil
}

// Status is why the newest configuration is refused; nil when it is in use.
func (a *Alertmanager) Status() error {
	a.status.mu.Lock()
	defer a.status.mu.Unlock()
	return a.status.err
}

func (a *Alertmanager) reload() error {
	l, err := readConfig(a.o.ConfigFile)
	if err != nil {
		return err
	}
	a.status.mu.Lock()
	a.status.templates = l.conf.Templates
	a.status.mu.Unlock()
	p, err := a.assemble(l)
	if err != nil {
		return err
	}
	a.use(p)
	if a.o.ConfigFile == "" {
		return nil
	}
	if err := a.writeLastGood(l); err != nil {
		a.failed(err)
	}
	return nil
}

func (a *Alertmanager) writeLastGood(l *loaded) error {
	b, err := json.Marshal(lastGood{Path: l.path, Folder: filepath.Dir(l.path), Text: string(l.text)})
	if err != nil {
		return err
	}
	temporary := a.lastGoodPath() + ".tmp"
	return errors.Join(os.WriteFile(temporary, b, 0o600), os.Rename(temporary, a.lastGoodPath()))
}

func (a *Alertmanager) readLastGood() (*loaded, error) {
	b, err := os.ReadFile(a.lastGoodPath())
	if err != nil {
		return nil, err
	}
	var g lastGood
	if err := json.Unmarshal(b, &g); err != nil {
		return nil, err
	}
	return parseConfig(g.Path, g.Folder, []byte(g.Text))
}

// Watched are the files that the newest configuration is made of.
func (a *Alertmanager) Watched() []string {
	if a.o.ConfigFile == "" {
		return nil
	}
	a.status.mu.Lock()
	defer a.status.mu.Unlock()
	files := []string{a.o.ConfigFile}
	for _, glob := range a.status.templates {
		if found, err := filepath.Glob(glob); err == nil {
			files = append(files, found...)
		}
	}
	return files
}
