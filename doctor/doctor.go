// Package doctor looks at a machine before Lubberline runs on it: kernel,
// cgroups, privileges, container runtimes, disk and ports. Each finding says
// what was seen and what a missing thing costs.
package doctor

import (
	"context"
	"fmt"
	"io"
)

// Status is how a check ended.
type Status string

// The statuses. Cost means that Lubberline runs without, but shows less.
const (
	OK   Status = "ok"
	Cost Status = "cost"
	Fail Status = "fail"
)

// Finding is the result of one check.
type Finding struct {
	Check  string
	Status Status
	Seen   string // what is there
	Means  string // what is lost or must be done; empty when all is well
}

// Options says what is to be started, so that the right things are checked.
type Options struct {
	// DataDir is where data will be kept; it need not exist yet.
	DataDir string
	// MinFree is the least free space below DataDir, in bytes.
	MinFree uint64
	// Listen holds the addresses that must be free, "host:port".
	Listen []string
	// Sockets are the container runtimes' sockets, by runtime name.
	Sockets map[string][]string
	// Root is put before /proc and /sys; empty on a real machine.
	Root string
}

// check is one question to the machine; it may have several findings.
type check func(context.Context, Options) []Finding

// Examine runs every check. It never fails: what cannot be read is a finding.
func Examine(ctx context.Context, o Options) []Finding {
	var all []Finding
	for _, c := range []check{checkKernel, checkCgroups, checkBlockIO, checkPressure, checkPrivileges, checkLimits, checkRuntimes, checkDisk, checkPorts} {
		all = append(all, c(ctx, o)...)
	}
	return all
}

// Worst is the worst status among the findings.
func Worst(findings []Finding) Status {
	worst := OK
	for _, f := range findings {
		if f.Status == Fail || (f.Status == Cost && worst == OK) {
			worst = f.Status
		}
	}
	return worst
}

// Print writes the findings for a person.
func Print(w io.Writer, findings []Finding) error {
	for _, f := range findings {
		if _, err := fmt.Fprintf(w, "%-5s %-12s %s\n", f.Status, f.Check, f.Seen); err != nil {
			return err
		}
		if f.Means == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%-18s → %s\n", "", f.Means); err != nil {
			return err
		}
	}
	return nil
}
