package app

import (
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/lubberline/lubberline/collector/logs"
	"github.com/lubberline/lubberline/collector/reading"
	"github.com/lubberline/lubberline/logrecord"
)

// podLogsEvery is how often pods' log files are looked for. They stay for a
// minute when their pod is gone.
const podLogsEvery = 5 * time.Second

// podLogs has every log file of pods read, NAMESPACE_POD_UID/CONTAINER/N.log
// below one folder: also those of containers that ended before any sample saw
// them, or while no collector ran. It is for the observing goroutine.
type podLogs struct {
	dir, node string
	tail      tail
	files     map[string]bool // those that are read
	looked    time.Time
}

// newPodLogs makes one that finds nothing where there is no folder or no tail.
func newPodLogs(dir, node string, t tail) *podLogs {
	if t == nil {
		dir = ""
	}
	return &podLogs{dir: dir, node: node, tail: t, files: map[string]bool{}}
}

// take notes that a file of the folder is read, by somebody who knows more of
// its container, and returns the source's id; false for files elsewhere.
func (p *podLogs) take(path string) (id string, ofPod bool) {
	if p.dir == "" || !strings.HasPrefix(path, p.dir+"/") {
		return "", false
	}
	p.files[path] = true
	return path, true
}

func (p *podLogs) observe(now time.Time) {
	if p.dir == "" || now.Sub(p.looked) < podLogsEvery {
		return
	}
	p.looked = now
	paths, err := filepath.Glob(p.dir + "/*_*_*/*/*.log")
	if err != nil {
		return // only for a bad pattern
	}
	there := make(map[string]bool, len(paths))
	for _, path := range paths {
		if there[path] = true; !p.files[path] {
			p.add(path)
		}
	}
	for path := range p.files {
		if !there[path] {
			delete(p.files, path)
			p.tail.Remove(path)
		}
	}
}

// add has a file read with what its path says of it.
func (p *podLogs) add(path string) {
	parts := strings.Split(strings.TrimPrefix(path, p.dir+"/"), "/")
	pod := strings.Split(parts[0], "_")
	if _, err := strconv.Atoi(strings.TrimSuffix(parts[2], ".log")); err != nil || len(pod) != 3 {
		return
	}
	source := logrecord.Source{Namespace: pod[0], Pod: pod[1], PodUID: pod[2], Container: parts[1], Host: p.node}
	p.files[path] = true
	// The id and the path are there, and the format is known: no error.
	_ = p.tail.Add(logs.Source{ID: path, Path: path, Format: reading.CRI, Tag: tagOf(&source), Meta: source})
}
