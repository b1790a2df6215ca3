// Command bench measures what it costs to watch many cgroups: ours, the floor (a
// loop over files kept open), and cAdvisor built from its module. It makes the
// cgroups, each with one process, runs each program by itself in a process of
// its own, and prints a table. It needs root, and leaves nothing behind.
//
//	go run ./collector/bench [-n 50,200,500] [-time 15s] [-load idle,busy] [-without cadvisor]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// settings are the flags.
type settings struct {
	mode    string
	counts  string
	loads   string
	without string
	time    time.Duration
	groups  string
}

func main() {
	var s settings
	flag.StringVar(&s.counts, "n", "50,200,500", "numbers of cgroups")
	flag.StringVar(&s.loads, "load", "idle,busy", "what the cgroups do: idle, busy (each wakes five times a second)")
	flag.StringVar(&s.without, "without", "", "programs to leave out: ours, floor, cadvisor")
	flag.DurationVar(&s.time, "time", 15*time.Second, "length of each measurement, after 4 s of settling; the median of its five parts is shown")
	flag.StringVar(&s.mode, "mode", "", "used by bench itself: what this process is (ours, floor, worker)")
	flag.StringVar(&s.groups, "groups", "", "used by bench itself: a file with the cgroups and their processes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	switch s.mode {
	case "worker":
		work()
		return nil
	case "ours":
		return ours(ctx, s)
	case "floor":
		return floor(ctx, s)
	case "":
		return compare(ctx, s)
	}
	return fmt.Errorf("no mode %q", s.mode)
}

func numbers(list string) (all []int, err error) {
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 || n > 5000 {
			return nil, fmt.Errorf("-n %q: %q is no number from 1 to 5000", list, word)
		}
		all = append(all, n)
	}
	return all, nil
}

// work is the process of a busy cgroup: it runs a little, five times a second,
// and touches memory.
func work() {
	var pages [16 << 12]byte
	for i := byte(0); ; i++ {
		for j := 0; j < len(pages); j += 64 {
			pages[j] = i
		}
		time.Sleep(200 * time.Millisecond)
	}
}
