package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/lubberline/lubberline/orchestrator/runtime"
)

// reference is a real Kubernetes on this machine, by the scripts of a folder.
type reference struct {
	dir   string // of the scripts
	built string // of the programs
}

// findReference returns why there is none, when there is none.
func findReference(dir string) (*reference, error) {
	if dir == "" {
		return nil, errors.New("no folder was named (REFERENCE)")
	}
	cache := os.Getenv("REFERENCE_CACHE")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, err
		}
		cache = filepath.Join(home, ".cache", "lubberline-reference")
	}
	r := &reference{dir: dir, built: filepath.Join(cache, "build", "bin")}
	for _, name := range []string{"load", "kubectl", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "etcd", "coredns"} {
		if _, err := os.Stat(filepath.Join(r.built, name)); err != nil {
			return nil, fmt.Errorf("it is not built: %w", err)
		}
	}
	return r, nil
}

// referenceRun is what was measured of it, in seconds; missing is why not more.
type referenceRun struct {
	apiReady, nodeReady   float64
	podStart, scale, gone float64
	idle                  share
	binds                 float64
}

// measure starts it, takes all figures and removes it.
func (r *reference) measure(ctx context.Context, s *settings) (f referenceRun, err error) {
	defer func() {
		_, e := r.run(context.WithoutCancel(ctx), nil, "real-k8s.sh", "wipe")
		err = errors.Join(err, e)
	}()
	out, err := r.run(ctx, nil, "real-k8s.sh", "up")
	if err == nil {
		f.apiReady, err = figure(out, `apiserver ready after ([\d.]+) s`)
	}
	if err == nil {
		f.nodeReady, err = figure(out, `node Ready after ([\d.]+) s`)
	}
	if err != nil {
		return f, err
	}
	if err := sleep(ctx, s.idle/2); err != nil {
		return f, err
	}
	if out, err = r.run(ctx, nil, "anchors.sh", "idle", strconv.Itoa(int(s.seconds.Seconds()))); err != nil {
		return f, err
	}
	if f.idle.rss, err = figure(out, `(?m)^all .*RSS +([\d.]+) MiB`); err != nil {
		return f, err
	}
	if f.idle.cpu, err = figure(out, `(?m)^all .*CPU +([\d.]+) %`); err != nil {
		return f, err
	}
	if out, err = r.run(ctx, nil, "anchors.sh", "pods"); err != nil {
		return f, err
	}
	if f.podStart, f.scale, f.gone, err = loadFigures(out); err != nil {
		return f, err
	}
	if out, err = r.run(ctx, nil, "anchors.sh", "sched", "5000"); err != nil {
		return f, err
	}
	f.binds, err = figure(out, `from first to last .*: ([\d.]+) pods/s`)
	return f, err
}

// referenceServices is what was measured of its services.
type referenceServices struct {
	served  float64 // seconds from the last of few created to all answering
	flipped float64 // milliseconds
}

// referenceFlips is how often an endpoint is changed; the client rests 1.5 s
// between two.
const referenceFlips = 10

// services starts it, measures its proxy as ours is measured, and removes it.
func (r *reference) services(ctx context.Context) (f referenceServices, err error) {
	defer func() {
		_, e := r.run(context.WithoutCancel(ctx), nil, "real-k8s.sh", "wipe")
		err = errors.Join(err, e)
	}()
	if _, err := r.run(ctx, nil, "real-k8s.sh", "up"); err != nil {
		return f, err
	}
	var all string
	for _, args := range [][]string{{"services", strconv.Itoa(few)}, {"flip", strconv.Itoa(referenceFlips)}} {
		out, err := r.run(ctx, nil, "real-k8s.sh", append([]string{"exec", filepath.Join(r.built, "load")}, append(args, referenceNode)...)...)
		if err != nil {
			return f, err
		}
		all += out
	}
	served, err := duration(all, `after the first create, ([\d.mµs]+) after the last`)
	if err != nil {
		return f, err
	}
	flipped, err := duration(all, `reaching the new one: .* median ([\d.mµs]+)`)
	return referenceServices{served: served.Seconds(), flipped: milliseconds(flipped)}, err
}

// referenceNode is the address of its node.
const referenceNode = "172.30.99.1"

// loadOn puts the same work on our own cluster: the same client, by kubectl.
func (r *reference) loadOn(ctx context.Context, k *kube) (podStart, scale, gone float64, err error) {
	environment := []string{"KUBECONFIG=" + k.kubeconfig(), "PATH=" + r.built + ":" + os.Getenv("PATH")}
	var all string
	for _, args := range [][]string{{"podstart", "10"}, {"scale", "1", "30"}} {
		out, err := r.run(ctx, environment, filepath.Join(r.built, "load"), append(args, runtime.SandboxImage)...)
		if err != nil {
			return 0, 0, 0, err
		}
		all += out
	}
	return loadFigures(all)
}

func (r *reference) run(ctx context.Context, environment []string, name string, args ...string) (string, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(r.dir, name)
	}
	c := exec.CommandContext(ctx, name, args...)
	c.Env = append(os.Environ(), environment...)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 5 * time.Second // what it has started may keep the output open
	var out strings.Builder
	c.Stdout, c.Stderr = &out, &out
	if err := c.Run(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		text := out.String()
		return text, fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, text[max(0, len(text)-600):])
	}
	return out.String(), nil
}

// loadFigures reads what podstart and scale print.
func loadFigures(out string) (podStart, scale, gone float64, err error) {
	for _, f := range []struct {
		into    *float64
		pattern string
	}{
		{&podStart, `to its pod Ready: .* median ([\d.m]+s)`}, {&scale, `all Ready: ([\d.m]+s)`}, {&gone, `delete of the RC .*: ([\d.m]+s)`},
	} {
		d, err := duration(out, f.pattern)
		if err != nil {
			return 0, 0, 0, err
		}
		*f.into = d.Seconds()
	}
	return podStart, scale, gone, nil
}

// duration is what the pattern's group matches.
func duration(out, pattern string) (time.Duration, error) {
	match := regexp.MustCompile(pattern).FindStringSubmatch(out)
	if match == nil {
		return 0, fmt.Errorf("no %q in %q", pattern, out)
	}
	return time.ParseDuration(match[1])
}

// figure is the number that the pattern's group matches.
func figure(out, pattern string) (float64, error) {
	match := regexp.MustCompile(pattern).FindStringSubmatch(out)
	if match == nil {
		return 0, fmt.Errorf("no %q in %q", pattern, out)
	}
	return strconv.ParseFloat(match[1], 64)
}
