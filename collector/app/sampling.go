package app

import (
	"context"
	"fmt"
	"time"

	"github.com/lubberline/lubberline/collector/cgroup"
	"github.com/lubberline/lubberline/collector/exposition"
	"github.com/lubberline/lubberline/collector/filesystem"
	"github.com/lubberline/lubberline/collector/host"
	"github.com/lubberline/lubberline/collector/hostroot"
	"github.com/lubberline/lubberline/collector/network"
	"github.com/lubberline/lubberline/collector/reading"
	"github.com/lubberline/lubberline/collector/runtime"
	"github.com/lubberline/lubberline/collector/sampler"
	"github.com/lubberline/lubberline/collector/series"
)

// observation is one tick with the machine's figures beside it. It is valid
// during the call.
type observation struct {
	time       time.Time
	containers []*reading.Container
	machine    []series.Point
}

// buildSampling makes what reads cgroups, names, networks, filesystems and the
// machine, and what shows the newest sample.
func (a *App) buildSampling() error {
	root, proc, sys, mounts := a.machinePaths()
	groups, err := cgroup.New(cgroup.Options{
		Root: string(root), Proc: proc, Sys: sys, MountInfo: mounts, Logger: a.logger("cgroup"), Registerer: a.metrics,
	})
	if err != nil {
		return fmt.Errorf("cgroups: %w", err)
	}
	sockets := a.cfg.Runtimes.Sockets()
	for _, paths := range sockets {
		for i := range paths {
			paths[i] = root.Path(paths[i])
		}
	}
	if a.cri != "" {
		sockets[runtime.Containerd] = append(sockets[runtime.Containerd], a.cri)
	}
	resolver, err := runtime.New(runtime.Options{Sockets: sockets, ProcPath: proc, Root: root, Logger: a.logger("runtime"), Registerer: a.metrics})
	if err != nil {
		return err
	}
	a.group.Close("runtime sockets", resolver)
	net, err := a.buildNetwork(groups)
	if err != nil {
		return err
	}
	disks, err := filesystem.New(filesystem.Options{MountInfo: mounts, Root: root, Logger: a.logger("filesystem"), Registerer: a.metrics})
	if err != nil {
		return err
	}
	a.group.Go("filesystem usage", disks.Run)
	a.sampler, err = sampler.New(sampler.Options{
		Interval: a.cfg.Interval, StartInterval: time.Second, Groups: sampler.Cgroups(groups), Network: net, Filesystems: disks, Resolver: resolver,
		Logger: a.logger("sampler"), Registerer: a.metrics,
	})
	if err != nil {
		return err
	}
	return a.buildViews()
}

// machinePaths are where the machine is seen; all but its root are empty where
// the process sees it as it is.
func (a *App) machinePaths() (root hostroot.Root, proc, sys, mounts string) {
	if root = a.cfg.HostRoot; root != "" {
		proc, sys, mounts = root.Path("/proc"), root.Path("/sys"), root.Path("/proc/1/mountinfo")
	}
	return root, proc, sys, mounts
}

func (a *App) buildNetwork(groups *cgroup.System) (*network.Network, error) {
	_, proc, _, _ := a.machinePaths()
	net, err := network.New(network.Options{Proc: proc, Process: groups.FirstProcess, Logger: a.logger("network"), Registerer: a.metrics})
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	a.group.Cleanup("network counters", func(context.Context) error { net.Close(); return nil })
	a.group.Go("network pairing", net.Run)
	return net, nil
}

func (a *App) buildViews() (err error) {
	root, proc, sys, _ := a.machinePaths()
	a.host, err = host.New(host.Options{
		Root: root, ProcPath: proc, SysPath: sys, Hostname: a.node, Logger: a.logger("host"), Registerer: a.metrics,
	})
	if err != nil {
		return err
	}
	a.group.Close("mount table", a.host)
	a.shown, err = exposition.New(exposition.Options{
		Containers: a.sampler, Machine: a.host, Own: a.metrics, Node: a.node, Logger: a.logger("exposition"), Registerer: a.metrics,
	})
	if err != nil {
		return err
	}
	ticks := make(chan struct{}, 1)
	a.sampler.Subscribe(func(t sampler.Tick) {
		a.shown.Observe(t.Time, t.Containers)
		select {
		case ticks <- struct{}{}:
		default: // the last tick is still being looked at; it will see this one
		}
	})
	a.group.Go("sampler", a.sampler.Run)
	a.group.Go("after each tick", func(ctx context.Context) error { return a.observe(ctx, ticks) })
	return nil
}

// observe reads the machine after each tick and hands both to whoever is
// interested. It is not on the sampler's goroutine: a slow filesystem delays
// what is shipped, but no sample. A tick that the machine was not read for in
// time goes without its figures.
func (a *App) observe(ctx context.Context, ticks <-chan struct{}) error {
	reader := newMachine(a.host, a.cfg.Interval/2)
	defer reader.close()
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticks:
		}
		reader.read(ctx)
		a.sampler.View(func(tick time.Time, containers []*reading.Container) {
			if tick.Equal(last) {
				return
			}
			last = tick
			a.host.View(func(at time.Time, machine []series.Point) {
				if at.Before(tick) {
					machine = nil
				}
				for _, f := range a.afterTick {
					f(observation{tick, containers, machine})
				}
			})
		})
	}
}
