package kubernetes

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// position is a file that remembers the resource version up to which events are
// stored. A lost or broken file costs one list of all events.
type position struct{ file string }

type positionFile struct {
	ResourceVersion string `json:"resourceVersion"`
}

func (p position) load() string {
	data, err := os.ReadFile(p.file)
	if err != nil {
		return ""
	}
	var content positionFile
	if json.Unmarshal(data, &content) != nil {
		return ""
	}
	return content.ResourceVersion
}

// save replaces the file. It need not survive a power loss: an older position
// reads some events again.
func (p position) save(version string) error {
	data, err := json.Marshal(positionFile{version})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(p.file), 0o750); err != nil {
		return fmt.Errorf("position of Kubernetes events: %w", err)
	}
	next := p.file + ".next"
	if err := os.WriteFile(next, data, 0o640); err != nil {
		return fmt.Errorf("position of Kubernetes events: %w", err)
	}
	if err := os.Rename(next, p.file); err != nil {
		return fmt.Errorf("position of Kubernetes events: %w", err)
	}
	return nil
}
