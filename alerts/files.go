package alerts

import (
	"errors"
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/model/rulefmt"

	"github.com/lubberline/lubberline/alerts/evaluate"
	"github.com/lubberline/lubberline/alerts/logseries"
	"github.com/lubberline/lubberline/alerts/rules"
)

// standardFile is the name under which the shipped rules are shown.
const standardFile = "standard"

// ruleFiles reads the shipped rules and the user's.
type ruleFiles struct {
	cfg Config
	// good is the newest state of each file in which nothing was wrong.
	good map[string]rules.File
}

func newRuleFiles(cfg Config) *ruleFiles { return &ruleFiles{cfg: cfg, good: map[string]rules.File{}} }

// ruleSet is all that is evaluated.
type ruleSet struct {
	files  []evaluate.File
	series []logseries.Definition
	rules  int
	// problems are what is wrong with the files as they are now.
	problems []error
}

// read reads everything again. A file that is wrong goes on in the form that it
// had when it was right; one that never was right, with its groups that are.
func (r *ruleFiles) read() *ruleSet {
	set := &ruleSet{}
	if r.cfg.Standard {
		groups := rules.Groups(rules.Options{Runbooks: r.cfg.Runbooks, Grafana: r.cfg.Grafana})
		set.add(standardFile, r.wanted(groups), r.cfg.Speed)
		set.series = logseries.Standard()
	}
	good := map[string]rules.File{}
	for _, dir := range r.cfg.Rules {
		files, err := rules.Load(dir)
		if err != nil {
			set.problems = append(set.problems, err)
			r.keep(dir, good)
		}
		for _, f := range files {
			set.problems = append(set.problems, failures(&f)...)
			old, known := r.good[f.Path]
			if f.Failed() && known {
				f = old
			}
			if !f.Failed() {
				good[f.Path] = f
			}
			set.add(f.Path, f.Groups, r.cfg.Speed)
			set.series = append(set.series, f.LogSeries...)
		}
	}
	r.good = good
	return set
}

// keep leaves the good files of a folder that cannot be read now.
func (r *ruleFiles) keep(dir string, good map[string]rules.File) {
	for path, f := range r.good {
		if inside(path, dir) {
			good[path] = f
		}
	}
}

// wanted are the shipped groups without those rules that are not wanted.
func (r *ruleFiles) wanted(groups []rulefmt.RuleGroup) []rulefmt.RuleGroup {
	for i := range groups {
		groups[i].Rules = slices.DeleteFunc(groups[i].Rules, func(rule rulefmt.Rule) bool {
			return slices.Contains(r.cfg.Without, rule.Alert)
		})
	}
	return slices.DeleteFunc(groups, func(g rulefmt.RuleGroup) bool { return len(g.Rules) == 0 })
}

func failures(f *rules.File) []error {
	var all []error
	for _, p := range f.Problems {
		if !p.Warning {
			all = append(all, p)
		}
	}
	return all
}

func (s *ruleSet) add(name string, groups []rulefmt.RuleGroup, speed int) {
	if speed > 1 {
		groups = faster(groups, speed)
	}
	for _, g := range groups {
		s.rules += len(g.Rules)
	}
	s.files = append(s.files, evaluate.File{Name: name, Groups: groups})
}

// setRules reads all rules and evaluates them from now on. The error is of what
// was left out.
func (m *Manager) setRules() error {
	set := m.files.read()
	m.metrics.problems.Set(float64(len(set.problems)))
	if err := m.evaluator.Set(set.files); err != nil {
		return errors.Join(append(set.problems, err)...)
	}
	m.metrics.rules.Set(float64(set.rules))
	if m.series != nil {
		m.series.Set(set.series)
	}
	if len(set.problems) > 0 {
		return fmt.Errorf("rules: %w", errors.Join(set.problems...))
	}
	return nil
}
