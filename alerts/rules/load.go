package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/rulefmt"
	"go.yaml.in/yaml/v3"

	"github.com/lubberline/lubberline/alerts/logseries"
)

// File is what a user's file has that is good, and what is wrong with the rest.
type File struct {
	Path string
	// Groups are the file's own groups and those made of its declarations.
	Groups []rulefmt.RuleGroup
	// LogSeries are series to make of log lines.
	LogSeries []logseries.Definition
	// Problems are in the order of their lines.
	Problems []Problem

	lines map[string][]int // of the rules, by group
}

// Problem is something wrong in a file.
type Problem struct {
	Path string
	// Line counts from 1; 0 where it is not known.
	Line    int
	Message string
	// Warning is what is odd and works all the same.
	Warning bool
}

// Error writes the problem as compilers do.
func (p Problem) Error() string {
	where := p.Path
	if p.Line > 0 {
		where += ":" + strconv.Itoa(p.Line)
	}
	if p.Warning {
		return where + ": warning: " + p.Message
	}
	return where + ": " + p.Message
}

// Failed reports that something of the file is refused.
func (f *File) Failed() bool {
	return slices.ContainsFunc(f.Problems, func(p Problem) bool { return !p.Warning })
}

// Load reads all rule files of a folder, in the order of their names: *.yaml and
// *.yml, but not those of unit tests. What is wrong in one file, or in one group
// of it, leaves all others as they are. The error is of the folder itself.
func Load(dir string) ([]File, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("rule files: %w", err)
	}
	var files []File
	for _, e := range entries {
		if e.IsDir() || !isRuleFile(e.Name()) {
			continue
		}
		files = append(files, LoadFile(filepath.Join(dir, e.Name())))
	}
	unique(files)
	return files, nil
}

func isRuleFile(name string) bool {
	base, extension := strings.TrimSuffix(name, filepath.Ext(name)), filepath.Ext(name)
	return (extension == ".yaml" || extension == ".yml") && !strings.HasPrefix(name, ".") &&
		!strings.HasSuffix(base, "_test") && !strings.HasSuffix(base, ".test")
}

// unique refuses a log series that an earlier file has already: the two would
// write the same.
func unique(files []File) {
	seen := map[string]string{}
	for _, d := range logseries.Standard() {
		seen[d.Record] = "the standard set"
	}
	for i := range files {
		f := &files[i]
		f.LogSeries = slices.DeleteFunc(f.LogSeries, func(d logseries.Definition) bool {
			first, twice := seen[d.Record]
			if !twice {
				seen[d.Record] = f.Path
				return false
			}
			f.Problems = append(f.Problems, Problem{Path: f.Path, Line: d.Line, Message: fmt.Sprintf("log series %q is in %s already", d.Record, first)})
			return true
		})
	}
}

// LoadFile reads one file.
func LoadFile(path string) File {
	text, err := os.ReadFile(path)
	if err != nil {
		return File{Path: path, Problems: []Problem{{Path: path, Message: err.Error()}}}
	}
	return Parse(path, text)
}

// Parse reads the text of a file; the path is for its problems.
func Parse(path string, text []byte) File {
	f := File{Path: path, lines: map[string][]int{}}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		f.fail(yamlError(err))
		return f
	}
	if root.Kind == 0 {
		return f // empty
	}
	top := root.Content[0]
	if top.Kind != yaml.MappingNode {
		f.fail(Problem{Line: top.Line, Message: "want a mapping with groups, log_series, baselines or comparisons"})
		return f
	}
	for i := 0; i+1 < len(top.Content); i += 2 {
		end := 0 // of the section: the next one's line, 0 for the file's end
		if i+2 < len(top.Content) {
			end = top.Content[i+2].Line
		}
		f.section(text, top.Content[i], top.Content[i+1], end)
	}
	slices.SortStableFunc(f.Problems, func(a, b Problem) int { return a.Line - b.Line })
	return f
}

func (f *File) fail(p Problem) {
	p.Path = f.Path
	if !slices.Contains(f.Problems, p) { // the parser reads twice
		f.Problems = append(f.Problems, p)
	}
}

// section reads one key of the file.
func (f *File) section(text []byte, key, value *yaml.Node, end int) {
	switch key.Value {
	case "groups":
		f.groups(text, key, value, end)
	case "log_series":
		each(f, value, func(d logseries.Definition, line int) error {
			d.Line = line
			f.LogSeries = append(f.LogSeries, d)
			return nil
		})
	case "baselines":
		each(f, value, func(b Baseline, line int) error { return f.declare(line, b.Groups()) })
	case "comparisons":
		each(f, value, func(c Comparison, line int) error { return f.declare(line, c.Groups()) })
	default:
		f.fail(Problem{Line: key.Line, Message: fmt.Sprintf("unknown key %q: want groups, log_series, baselines or comparisons", key.Value)})
	}
}

// declare takes the groups that the declaration on a line stands for.
func (f *File) declare(line int, groups []rulefmt.RuleGroup) error {
	for _, g := range groups {
		if _, twice := f.lines[g.Name]; twice {
			return fmt.Errorf("group %q is in the file already", g.Name)
		}
		f.lines[g.Name] = slices.Repeat([]int{line}, len(g.Rules))
	}
	f.Groups = append(f.Groups, groups...)
	return nil
}
