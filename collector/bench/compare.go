package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lubberline/lubberline/collector/bench/lab"
	"github.com/lubberline/lubberline/collector/bench/result"
	"github.com/lubberline/lubberline/collector/cgroup"
)

// prefix begins the path of each cgroup that is made.
const prefix = "/lubberline-bench-"

// peer is the program that ours is compared with; a main package of its own, so
// that ours does not contain it.
const peer = "github.com/lubberline/lubberline/collector/bench/cadvisor"

// row is a line of the table.
type row struct {
	n       int
	load    string
	program string
	result.Result
}

func (r row) perSample() float64 {
	return float64(r.CPU.Microseconds()) / float64(max(r.Samples, 1))
}

// compare measures all programs with all numbers of cgroups and all loads.
func compare(ctx context.Context, s settings) error {
	counts, err := numbers(s.counts)
	if err != nil {
		return err
	}
	if os.Getuid() != 0 {
		return errors.New("making cgroups needs root")
	}
	dir, err := os.MkdirTemp("", "lubberline-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	programs, err := build(ctx, s, dir)
	if err != nil {
		return err
	}
	var rows []row
	for _, n := range counts {
		for load := range strings.SplitSeq(s.loads, ",") {
			more, err := measureAll(ctx, programs, dir, n, load)
			rows = append(rows, more...)
			if err != nil {
				return errors.Join(err, show(rows))
			}
		}
	}
	return show(rows)
}

// program is a name and how to start it.
type program struct {
	name string
	args []string
}

func build(ctx context.Context, s settings, dir string) (programs []program, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	out := slices.Contains(strings.Split(s.without, ","), "cadvisor")
	file := filepath.Join(dir, "groups")
	for _, name := range []string{"floor", "ours"} {
		if !slices.Contains(strings.Split(s.without, ","), name) {
			programs = append(programs, program{name, []string{self, "-mode", name, "-time", s.time.String(), "-groups", file}})
		}
	}
	if out {
		return programs, nil
	}
	binary := filepath.Join(dir, "cadvisor")
	c := exec.CommandContext(ctx, "go", "build", "-o", binary, peer)
	c.Stderr = os.Stderr
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("build cAdvisor: %w", err)
	}
	return append(programs, program{"cadvisor", []string{binary, "-time", s.time.String()}}), nil
}

// measureAll makes n cgroups and lets one program after the other watch them.
func measureAll(ctx context.Context, programs []program, dir string, n int, load string) (rows []row, err error) {
	groups, members, err := populate(ctx, n, load)
	defer func() {
		for _, g := range groups {
			err = errors.Join(err, g.Remove())
		}
	}()
	if err != nil {
		return nil, err
	}
	if err := writeMembers(filepath.Join(dir, "groups"), members); err != nil {
		return nil, err
	}
	for _, p := range programs {
		r, err := start(ctx, p)
		if err != nil {
			return rows, fmt.Errorf("%s with %d cgroups: %w", p.name, n, err)
		}
		rows = append(rows, row{n, load, p.name, r})
		fmt.Fprintf(os.Stderr, "%d %s %s: %.1f us a sample\n", n, load, p.name, rows[len(rows)-1].perSample())
	}
	return rows, nil
}

// populate makes cgroups with one process each. What was made before an error
// is returned with it.
func populate(ctx context.Context, n int, load string) (groups []*lab.Group, members []member, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	args := map[string][]string{"idle": {"sleep", "100000"}, "busy": {self, "-mode", "worker"}}[load]
	if args == nil {
		return nil, nil, fmt.Errorf("no load %q", load)
	}
	system, err := cgroup.New(cgroup.Options{})
	if err != nil {
		return nil, nil, err
	}
	for i := range n {
		if ctx.Err() != nil {
			return groups, nil, ctx.Err()
		}
		g, err := lab.New(system.Hierarchies(), fmt.Sprintf("%s%d-%03d", prefix, os.Getpid(), i))
		if err != nil {
			return groups, nil, err
		}
		groups = append(groups, g)
		c := exec.Command(args[0], args[1:]...)
		c.Env = append(os.Environ(), "GOMAXPROCS=1")
		if err := errors.Join(g.Start(c), g.Move(c.Process.Pid)); err != nil {
			return groups, nil, err
		}
		members = append(members, member{g.ID, c.Process.Pid})
	}
	return groups, members, nil
}

// start runs a program, which measures itself.
func start(ctx context.Context, p program) (r result.Result, err error) {
	c := exec.CommandContext(ctx, p.args[0], p.args[1:]...)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 5 * time.Second
	var out, failures bytes.Buffer
	c.Stdout, c.Stderr = &out, &failures
	if err := c.Run(); err != nil {
		return r, fmt.Errorf("%w: %s", err, failures.String())
	}
	return r, json.Unmarshal(out.Bytes(), &r)
}

// show prints the table.
func show(rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "cgroups\tload\tprogram\tCPU us/sample\t% of a core\tsamples/s\tRSS MB\tfiles\tvs floor\tvs ours\t/metrics CPU ms\tKB\tworst jitter ms\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%d\t%s\t%s\t%.1f\t%.2f\t%.1f\t%.1f\t%d\t%s\t%s\t", r.n, r.load, r.program, r.perSample(),
			100*r.CPU.Seconds()/r.Wall.Seconds(), float64(r.Samples)/r.Wall.Seconds(), float64(r.RSS)/(1<<20), r.Files,
			ratio(r, rows, "floor"), ratio(r, rows, "ours"))
		fmt.Fprintln(w, scraped(r)+"\t")
	}
	return w.Flush()
}

// scraped is the last columns of a row.
func scraped(r row) string {
	switch {
	case r.Scrape == 0:
		return "\t\t"
	case r.program == "ours":
		return fmt.Sprintf("%.1f\t%d\t%.1f", float64(r.Scrape.Microseconds())/1000, r.ScrapeBytes>>10, float64(r.Spacing.Microseconds())/1000)
	}
	return fmt.Sprintf("%.1f\t%d\t", float64(r.Scrape.Microseconds())/1000, r.ScrapeBytes>>10)
}

// ratio is how much dearer a sample is than another program's.
func ratio(r row, rows []row, other string) string {
	for _, o := range rows {
		if o.n == r.n && o.load == r.load && o.program == other && o.perSample() > 0 {
			return fmt.Sprintf("%.2f", r.perSample()/o.perSample())
		}
	}
	return "-"
}
