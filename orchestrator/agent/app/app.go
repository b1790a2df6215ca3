// Package app puts the node agent together: it watches the pods that are bound
// to this node, keeps them on the container runtime, and tells the API about
// them and about the node.
package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/lubberline/lubberline/orchestrator/agent/cgroup"
	"github.com/lubberline/lubberline/orchestrator/agent/containerlog"
	"github.com/lubberline/lubberline/orchestrator/agent/cri"
	"github.com/lubberline/lubberline/orchestrator/agent/environment"
	"github.com/lubberline/lubberline/orchestrator/agent/environment/downward"
	"github.com/lubberline/lubberline/orchestrator/agent/eviction"
	"github.com/lubberline/lubberline/orchestrator/agent/image"
	"github.com/lubberline/lubberline/orchestrator/agent/localvolume"
	"github.com/lubberline/lubberline/orchestrator/agent/node"
	"github.com/lubberline/lubberline/orchestrator/agent/probe"
	"github.com/lubberline/lubberline/orchestrator/agent/reference"
	"github.com/lubberline/lubberline/orchestrator/agent/server"
	"github.com/lubberline/lubberline/orchestrator/agent/status"
	"github.com/lubberline/lubberline/orchestrator/agent/volume"
	"github.com/lubberline/lubberline/orchestrator/agent/worker"
	"github.com/lubberline/lubberline/orchestrator/storageclass"
)

// App is a node agent.
type App struct {
	o       Options
	runtime *cri.Client
	objects *reference.Cache
	prober  *probe.Prober
	volumes *volume.Manager
	folders *localvolume.Folders
	images  *image.Manager
	writer  *status.Writer
	node    *node.Node
	pods    *worker.Pods
	evict   *eviction.Manager
	rotator *containerlog.Rotator
	server  *server.Server // nil without a certificate
	watch   cache.SharedIndexInformer
	// told says that every pod of the first list was handed on.
	told cache.InformerSynced
}

// New builds the agent; nothing runs yet. It makes the control groups of pods,
// which needs root.
func New(o Options) (_ *App, err error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	a := &App{o: o}
	if err := os.MkdirAll(filepath.Join(o.Root, "pods"), 0o750); err != nil {
		return nil, fmt.Errorf("node agent: %w", err)
	}
	host, err := node.ReadHost(o.Root)
	if err != nil {
		return nil, fmt.Errorf("node agent: %w", err)
	}
	host.MaxPods = o.MaxPods
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	for _, build := range []func(node.Host) error{a.buildRuntime, a.buildNode, a.buildSurroundings, a.buildPods, a.buildCare, a.buildServer} {
		if err := build(host); err != nil {
			return nil, fmt.Errorf("node agent: %w", err)
		}
	}
	if err := a.buildWatch(); err != nil {
		return nil, fmt.Errorf("node agent: %w", err)
	}
	return a, nil
}

// close gives back what New has acquired.
func (a *App) close() {
	if a.prober != nil {
		a.prober.Close()
	}
	if a.objects != nil {
		a.objects.Close()
	}
	if a.runtime != nil {
		a.runtime.Close()
	}
}

func (a *App) buildRuntime(node.Host) (err error) {
	a.runtime, err = cri.Dial(a.o.Socket)
	return err
}

func (a *App) buildNode(host node.Host) (err error) {
	a.node, err = node.New(node.Options{
		Client: a.o.Client, Runtime: a.runtime, Images: a.runtime.Images, Events: a.o.Events,
		Name: a.o.NodeName, Addresses: a.o.Addresses, PodCIDRs: a.o.PodCIDRs, Labels: a.o.Labels, Taints: a.o.Taints,
		Annotations: map[string]string{storageclass.FolderAnnotation: a.o.localVolumes()},
		Host:        host, Reserved: a.o.Reserved, Port: a.o.Port, Version: a.o.Version,
		Pressure: a.pressure, Logger: a.o.Logger.With("part", "node"), Registerer: a.o.Registerer,
	})
	return err
}

// buildSurroundings builds what containers find around them.
func (a *App) buildSurroundings(host node.Host) (err error) {
	if a.objects, err = reference.New(reference.Options{Client: a.o.Client, Logger: a.o.Logger.With("part", "references"), Registerer: a.o.Registerer}); err != nil {
		return err
	}
	a.volumes, err = volume.New(volume.Options{
		Root: a.o.Root, Local: a.o.localVolumes(), Client: a.o.Client, Objects: a.objects, Host: a.downward(host),
		Events: a.o.Events, Logger: a.o.Logger.With("part", "volumes"), Registerer: a.o.Registerer,
	})
	if err != nil {
		return err
	}
	a.folders, err = localvolume.New(localvolume.Options{
		Client: a.o.Client, Node: a.o.NodeName, Folder: a.o.localVolumes(), Logger: a.o.Logger.With("part", "local volumes"), Registerer: a.o.Registerer,
	})
	if err != nil {
		return err
	}
	a.images, err = image.New(image.Options{
		Service: a.runtime.Images, Containers: a.runtime, Secrets: a.objects, Disk: a.disk,
		Events: a.o.Events, Logger: a.o.Logger.With("part", "images"), Registerer: a.o.Registerer,
	})
	if err != nil {
		return err
	}
	a.prober, err = probe.New(probe.Options{Runtime: a.runtime, Events: a.o.Events, Logger: a.o.Logger.With("part", "probes"), Registerer: a.o.Registerer})
	return err
}

// downward is what pods learn about the node.
func (a *App) downward(host node.Host) func() downward.Host {
	allocatable := node.Options{Host: host, Reserved: a.o.Reserved}.Allocatable()
	return func() downward.Host { return downward.Host{IPs: a.o.Addresses, Allocatable: allocatable} }
}

// disk measures the file system of images and pods.
func (a *App) disk() (capacity, available uint64, err error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(a.o.Root, &fs); err != nil {
		return 0, 0, fmt.Errorf("measure the file system of %s: %w", a.o.Root, err)
	}
	return fs.Blocks * uint64(fs.Bsize), fs.Bavail * uint64(fs.Bsize), nil
}

func (a *App) buildPods(host node.Host) error {
	allocatable := node.Options{Host: host, Reserved: a.o.Reserved}.Allocatable()
	groups, err := cgroup.New(cgroup.Options{
		Root: a.o.Cgroup, MilliCPU: allocatable.Cpu().MilliValue(), MemoryBytes: allocatable.Memory().Value(),
		Logger: a.o.Logger.With("part", "cgroups"),
	})
	if err != nil {
		return err
	}
	services := a.o.Informers.Core().V1().Services()
	surroundings, err := environment.New(environment.Options{
		Objects: a.objects, Services: services.Lister(), ServicesSynced: services.Informer().HasSynced,
		Host: a.downward(host), Events: a.o.Events, PodDir: a.volumes.PodDir,
		DNS: environment.DNS{Servers: a.o.ClusterDNS, Domain: a.o.ClusterDomain, ResolvConf: a.o.ResolvConf},
	})
	if err != nil {
		return err
	}
	if a.writer, err = status.NewWriter(a.o.Client.CoreV1(), a.o.Logger.With("part", "status"), a.o.Registerer); err != nil {
		return err
	}
	a.pods, err = worker.New(worker.Options{
		Runtime: a.runtime, ImageUsers: a.runtime.Images, Volumes: a.volumes, Environment: surroundings, Images: a.images,
		Prober: a.prober, Cgroups: groups, Writer: a.writer, Events: a.o.Events, Node: a.node.Get, FetchNode: a.node.Fetch,
		Admit: func(pod *v1.Pod) (string, string, bool) { return a.evict.Admit(pod) }, HostIPs: a.o.Addresses, ClusterDomain: a.o.ClusterDomain,
		PodsDir: filepath.Join(a.o.Root, "pods"), LogDir: a.o.LogDir, SeccompDir: filepath.Join(a.o.Root, "seccomp"),
		MemoryBytes: host.MemoryBytes, Starts: a.o.Starts,
		Logger: a.o.Logger.With("part", "pods"), Registerer: a.o.Registerer,
	})
	return err
}

// Ready is closed once the API has had the node as Ready.
func (a *App) Ready() <-chan struct{} { return a.node.Ready() }

// Pods are the pods of this node.
func (a *App) Pods() *worker.Pods { return a.pods }

// Runtime is the container runtime.
func (a *App) Runtime() *cri.Client { return a.runtime }

// Run works until ctx ends. Containers are left running.
func (a *App) Run(ctx context.Context) error {
	defer a.close()
	var parts sync.WaitGroup
	defer parts.Wait()
	parts.Go(func() { a.writer.Run(ctx) })
	parts.Go(func() { a.pods.Run(ctx) })
	parts.Go(func() { a.report("volumes", a.volumes.Run(ctx)) })
	parts.Go(func() { a.report("local volumes", a.folders.Run(ctx)) })
	parts.Go(func() { a.report("images", a.images.Run(ctx)) })
	parts.Go(func() { a.report("eviction", a.evict.Run(ctx)) })
	parts.Go(func() { a.report("log rotation", a.rotator.Run(ctx)) })
	parts.Go(func() { a.hearPressure(ctx) })
	if a.server != nil {
		parts.Go(func() { a.report("server", a.server.Run(ctx)) })
	}
	parts.Go(func() { a.report("node", a.node.Run(ctx)) })
	parts.Go(func() { a.watch.Run(ctx.Done()) })
	parts.Go(func() {
		if cache.WaitForCacheSync(ctx.Done(), a.told) {
			a.pods.Synced()
		}
	})
	<-ctx.Done()
	return nil
}

func (a *App) report(part string, err error) {
	if err != nil {
		a.o.Logger.Error("part of the node agent ended", "part", part, "error", err)
	}
}
