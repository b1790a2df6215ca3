package logs

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lubberline/lubberline/collector/reading"
)

func (p *Pattern) complete() error {
	if _, err := filepath.Match(p.Glob, ""); err != nil || p.Glob == "" {
		return fmt.Errorf("log file pattern %q: %w", p.Glob, cmp.Or(err, filepath.ErrBadPattern))
	}
	if p.Format == "" {
		p.Format = reading.Plain
	}
	return checkFormat(p.Format)
}

// patternScan is the state of one pattern.
type patternScan struct {
	Pattern
	groups  []*group
	scanned time.Time
	due     bool
	known   bool
}

// scanPattern looks which files match now.
func (t *Tailer) scanPattern(p *patternScan) {
	if !p.due && t.now.Sub(p.scanned) < t.options.RescanInterval {
		return
	}
	p.due, p.scanned = false, t.now
	matches, err := filepath.Glob(p.Glob)
	if err != nil {
		t.complain("scan", "cannot look for log files", "pattern", p.Glob, "error", err)
		return
	}
	t.watchPattern(p.Glob)
	var list []listed
	for _, path := range matches {
		in, err := statPath(path)
		if err == nil && in.regular && !strings.HasSuffix(path, ".tmp") {
			list = append(list, listed{path, in})
		}
	}
	slices.SortStableFunc(list, func(a, b listed) int { return cmp.Compare(a.info.modified, b.info.modified) })
	t.mergePattern(p, list)
	p.known = true
}

// mergePattern brings a pattern's groups in line with the files that match.
func (t *Tailer) mergePattern(p *patternScan, list []listed) {
	here := make(map[*group]bool)
	for _, l := range list {
		if g := t.placePattern(p, l); g != nil {
			here[g] = true
		}
	}
	for _, g := range p.groups {
		if here[g] || g.ended {
			continue
		}
		for _, f := range g.files {
			if !t.miss(f) {
				t.forget(g, f)
			}
		}
	}
	p.groups = slices.DeleteFunc(p.groups, func(g *group) bool { return g.ended })
}

func (t *Tailer) placePattern(p *patternScan, l listed) *group {
	for _, g := range p.groups {
		if len(g.files) == 0 || g.files[0].id != l.info.id {
			continue
		}
		f := g.files[0]
		if f.h == noHandle && !t.unchanged(f, l) {
			t.forget(g, f)
			break
		}
		if f.path != l.path && f.listed {
			t.metrics.rotations.Inc()
		}
		t.meet(f, l)
		return g
	}
	g := t.newGroup(Source{ID: p.Glob, Path: l.path, Format: p.Format, Tag: p.Tag, Meta: p.Meta, FromEnd: p.FromEnd})
	g.pattern, g.known = true, p.known
	f := t.place(g, l)
	if f == nil {
		return nil
	}
	g.reorder([]*file{f})
	p.groups = append(p.groups, g)
	t.groups = append(t.groups, g)
	return g
}
