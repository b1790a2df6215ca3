// Command bench measures the programs that `make build` has made, as a user runs
// them: processes of their own, talking over loopback, their CPU time and memory
// from /proc. Each part prints a table with ours, the peer or the floor of the
// same run, and the ratio. It needs root, and leaves nothing behind.
//
//	go run ./test/bench [-parts node,logs,ingest,idle,cluster,pods,services,simulations] [-repeat 3] [-mib 1024] …
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// settings are the flags.
type settings struct {
	parts   string
	bin     string        // where our programs are
	repeat  int           // runs of which the median is shown
	seconds time.Duration // length of a measurement of a running program
	settle  time.Duration // how long a program runs before it is measured
	idle    time.Duration // how long `lubberline up` idles before it is measured
	groups  int           // cgroups
	mib     int           // of log files
	files   int           // log files
	records int           // sent to the aggregator
	samples int           // sent to the aggregator
	// reference is the folder of the scripts that run a real Kubernetes; empty
	// without one.
	reference string

	dir    string // for everything of one run; removed at the end
	report *report
}

func main() {
	var s settings
	flag.StringVar(&s.parts, "parts", "node,logs,ingest,idle,cluster,pods,services,simulations", "what to measure")
	flag.StringVar(&s.bin, "bin", "bin", "folder of lubberline and lubberline-collector")
	flag.IntVar(&s.repeat, "repeat", 3, "runs of the parts that are short; the median is shown")
	flag.DurationVar(&s.seconds, "time", 25*time.Second, "length of the measurements of running programs")
	flag.DurationVar(&s.settle, "settle", 15*time.Second, "how long the collector runs before it is measured")
	flag.DurationVar(&s.idle, "idle", time.Minute, "how long lubberline up runs before it is measured")
	flag.IntVar(&s.groups, "n", 200, "cgroups of the part node")
	flag.IntVar(&s.mib, "mib", 1024, "MiB of log files")
	flag.IntVar(&s.files, "files", 20, "log files")
	flag.IntVar(&s.records, "records", 1_000_000, "log records of the part ingest")
	flag.IntVar(&s.samples, "samples", 3_000_000, "samples of the part ingest")
	flag.StringVar(&s.reference, "reference", "", "folder of the scripts that run a real Kubernetes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if address := os.Getenv(responderVariable); address != "" {
		if err := respond(ctx, address); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		return
	}
	if err := run(ctx, &s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// part is one measurement by its name.
type part struct {
	name    string
	measure func(context.Context, *settings) error
}

func parts() []part {
	return []part{{"node", node}, {"logs", logs}, {"ingest", ingest}, {"idle", idle}, {"cluster", cluster}, {"pods", pods}, {"services", services}, {"simulations", simulations}}
}

func run(ctx context.Context, s *settings) (err error) {
	if s.bin, err = filepath.Abs(s.bin); err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp("", "lubberline-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.dir)) }()
	wanted := strings.Split(s.parts, ",")
	for _, name := range wanted {
		if !known(name) {
			return fmt.Errorf("-parts %q: no part %q", s.parts, name)
		}
	}
	for _, p := range parts() {
		for _, name := range wanted {
			if p.name != name {
				continue
			}
			s.report = &report{}
			err := p.measure(ctx, s)
			s.report.print(os.Stdout)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	return nil
}

func known(name string) bool {
	for _, p := range parts() {
		if p.name == name {
			return true
		}
	}
	return false
}

// sub makes a folder of a run's own.
func (s *settings) sub(name string) (string, func(), error) {
	dir, err := os.MkdirTemp(s.dir, name+"-")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}
