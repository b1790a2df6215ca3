package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
)

const realKubernetes = "real Kubernetes"

// kubeRun is what was measured of ours, in seconds.
type kubeRun struct {
	apiReady, nodeReady    float64
	podStarts              []float64
	scale, gone            float64
	idle, idlePods         []*share
	loadStart, loadScale   float64 // by the client of the reference
	loadGone               float64
	thousand, fiveThousand binding
}

// pods measures the orchestrator, and a real Kubernetes where there is one.
func pods(ctx context.Context, s *settings) error {
	s.report.title = fmt.Sprintf("lubberline up with pods: starts (median of %d), idle over %s, pods, bindings", s.repeat, s.seconds)
	peer, missing := findReference(s.reference)
	ours, err := measurePods(ctx, s, peer)
	if err != nil {
		return err
	}
	var theirs referenceRun
	if peer != nil {
		if theirs, err = peer.measure(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", realKubernetes, err)
		}
	} else {
		s.report.note("%s is not beside ours: %v", realKubernetes, missing)
	}
	beside := func(l line, theirs float64) {
		if peer != nil {
			l.other, l.peer = theirs, realKubernetes
		}
		s.report.add(l)
	}
	beside(line{what: "program started to API ready", ours: ours.apiReady, unit: "s"}, theirs.apiReady)
	beside(line{what: "  to node Ready", ours: ours.nodeReady, unit: "s", goal: 1.5, atMost: true}, theirs.nodeReady)
	reportIdle(s, beside, "idle, no pods", ours.idle, theirs.idle)
	noGoal := func(l line, _ float64) { l.goal = 0; s.report.add(l) } // the goal is that of a node without pods
	reportIdle(s, noGoal, fmt.Sprintf("idle, %d pods", idlePods), ours.idlePods, share{})
	s.report.add(line{what: fmt.Sprintf("RC of 1 created to pod Ready, median of %d", podRuns), ours: median(ours.podStarts, same), unit: "s", goal: 0.6, atMost: true})
	s.report.add(line{what: fmt.Sprintf("RC 1 -> %d, all Ready", podsTo), ours: ours.scale, unit: "s", goal: 4, atMost: true})
	s.report.add(line{what: "  deletion of all", ours: ours.gone, unit: "s"})
	if peer != nil {
		beside(line{what: "the same by kubectl: RC of 1 created to pod Ready, median of 10", ours: ours.loadStart, unit: "s"}, theirs.podStart)
		beside(line{what: "  RC 1 -> 30, all Ready", ours: ours.loadScale, unit: "s"}, theirs.scale)
		beside(line{what: "  deletion of all", ours: ours.loadGone, unit: "s"}, theirs.gone)
	}
	beside(line{what: fmt.Sprintf("%d pods on 1,000 nodes through the API: binds", bindPods), ours: ours.thousand.binds, unit: "/s", goal: 1000}, theirs.binds)
	s.report.add(line{what: "  CPU of the whole program per bind", ours: ours.thousand.cpu, unit: "us"})
	s.report.add(line{what: "  creation of the pods by one client", ours: ours.thousand.creates, unit: "/s"})
	s.report.add(line{what: fmt.Sprintf("%d pods on 5,000 nodes through the API: binds", bindPods), ours: ours.fiveThousand.binds, unit: "/s", goal: 1000})
	s.report.add(line{what: "  CPU of the whole program per bind", ours: ours.fiveThousand.cpu, unit: "us"})
	return decisions(ctx, s)
}

func same(v float64) float64 { return v }

// idlePods is how many pods run in the second measurement of idling.
const idlePods = 5

func reportIdle(s *settings, beside func(line, float64), what string, all []*share, theirs share) {
	sum := total(all)
	l := line{what: what + ": RSS of all", ours: sum.rss, unit: "MiB", goal: 300, atMost: true}
	beside(l, theirs.rss)
	beside(line{what: "  CPU of all", ours: sum.cpu, unit: "% of a core", goal: 2.5, atMost: true}, theirs.cpu)
	for _, one := range all {
		if len(one.pids) == 0 {
			continue
		}
		s.report.add(line{what: fmt.Sprintf("  %s x%d: RSS", one.name, len(one.pids)), ours: one.rss, unit: "MiB"})
		s.report.add(line{what: fmt.Sprintf("  %s x%d: CPU", one.name, len(one.pids)), ours: one.cpu, unit: "% of a core"})
	}
}

// measurePods starts the program several times: the last run is idle and then
// gets pods, and two more get fake nodes.
func measurePods(ctx context.Context, s *settings, peer *reference) (r kubeRun, err error) {
	var api, node []float64
	for i := range s.repeat {
		k, err := startKube(ctx, s)
		if err != nil {
			return r, err
		}
		api, node = append(api, k.apiReady.Seconds()), append(node, k.nodeReady.Seconds())
		if i == s.repeat-1 {
			err = k.workPods(ctx, peer, &r)
		}
		if err := errors.Join(err, k.stop()); err != nil {
			return r, err
		}
	}
	r.apiReady, r.nodeReady = median(api, same), median(node, same)
	for nodes, into := range map[int]*binding{1000: &r.thousand, 5000: &r.fiveThousand} {
		k, err := startKube(ctx, s)
		if err != nil {
			return r, err
		}
		*into, err = k.bindOn(ctx, nodes)
		if err := errors.Join(err, k.stop()); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (k *kube) workPods(ctx context.Context, peer *reference, r *kubeRun) (err error) {
	if err := sleep(ctx, k.s.idle/2); err != nil {
		return err
	}
	if r.idle, err = k.watchIdle(ctx); err != nil {
		return err
	}
	if r.podStarts, err = k.podStarts(ctx, podRuns); err != nil {
		return err
	}
	if r.scale, err = k.scale(ctx, "scaled", 1, podsTo); err != nil {
		return err
	}
	if r.gone, err = k.remove(ctx, "scaled"); err != nil {
		return err
	}
	if peer != nil {
		if r.loadStart, r.loadScale, r.loadGone, err = peer.loadOn(ctx, k); err != nil {
			return err
		}
	}
	if _, err := k.scale(ctx, "idle", 1, idlePods); err != nil {
		return err
	}
	if err := sleep(ctx, k.s.idle/4); err != nil {
		return err
	}
	r.idlePods, err = k.watchIdle(ctx)
	return err
}

// decisions runs the benchmark of the scheduler alone.
func decisions(ctx context.Context, s *settings) error {
	c := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkDecisions$/^(plain|alldifferent)$", "-benchtime", "3x", "./orchestrator/scheduler")
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	out, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	for _, kind := range []struct{ name, what string }{{"plain", "of ten controllers"}, {"alldifferent", "none like another"}} {
		for _, nodes := range []int{1000, 5000} {
			figures, err := benchFigures(string(out), fmt.Sprintf("BenchmarkDecisions/%s/nodes=%d", kind.name, nodes))
			if err != nil {
				return err
			}
			l := line{what: fmt.Sprintf("scheduler alone, 5,000 pods %s on %d nodes", kind.what, nodes), ours: figures["decisions/s"], unit: "/s"}
			if kind.name == "plain" && nodes == 1000 {
				l.goal = 50000
			}
			s.report.add(l)
		}
	}
	return nil
}
