package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// report is the table of one part.
type report struct {
	title string
	lines []line
	notes []string
}

// line is one figure. unit follows the numbers; goal and other may be 0 where
// there is none.
type line struct {
	what   string
	ours   float64
	unit   string
	goal   float64
	atMost bool // what the goal is; otherwise at least
	other  float64
	peer   string // whose figure other is, measured in this run
}

func (r *report) add(l line) { r.lines = append(r.lines, l) }

func (r *report) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

func (r *report) print(w io.Writer) {
	if len(r.lines) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", r.title)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  what\tours\tgoal\treached\tpeer or floor, same run\tours / theirs")
	for _, l := range r.lines {
		fmt.Fprintf(t, "  %s\t%s %s\t%s\t%s\t%s\t%s\n", l.what, number(l.ours), l.unit, l.goalText(), l.reached(), l.otherText(), l.ratio())
	}
	t.Flush()
	for _, n := range r.notes {
		fmt.Fprintf(w, "  %s\n", n)
	}
}

func (l line) goalText() string {
	switch {
	case l.goal == 0:
		return "-"
	case l.atMost:
		return "<= " + number(l.goal)
	}
	return ">= " + number(l.goal)
}

func (l line) reached() string {
	switch {
	case l.goal == 0:
		return "-"
	case l.atMost == (l.ours <= l.goal):
		return "yes"
	}
	return "NO"
}

func (l line) otherText() string {
	if l.peer == "" {
		return "-"
	}
	return fmt.Sprintf("%s %s (%s)", number(l.other), l.unit, l.peer)
}

func (l line) ratio() string {
	if l.peer == "" || l.other == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", l.ours/l.other)
}

// number writes three digits or so.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// median of one figure of all runs.
func median[T any](runs []T, figure func(T) float64) float64 {
	all := make([]float64, len(runs))
	for i, r := range runs {
		all[i] = figure(r)
	}
	slices.Sort(all)
	if len(all) == 0 {
		return 0
	}
	return (all[len(all)/2] + all[(len(all)-1)/2]) / 2
}

// quantile of one figure: share 0.9 is exceeded by a tenth.
func quantile[T any](runs []T, share float64, figure func(T) float64) float64 {
	all := make([]float64, len(runs))
	for i, r := range runs {
		all[i] = figure(r)
	}
	slices.Sort(all)
	if len(all) == 0 {
		return 0
	}
	return all[int(share*float64(len(all)-1))]
}
