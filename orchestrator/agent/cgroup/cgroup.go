// Package cgroup keeps the control groups above a node's containers: one for
// all pods, one for each class of pods that may take more than they asked for,
// and one for each pod. It works on cgroup v1, v2 and hybrid hosts, without
// systemd.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// Root is the group of all pods, as the kubelet names it.
const Root = "/kubepods"

// The classes that have a group of their own; Guaranteed pods lie directly
// below the root.
const (
	burstable  = "burstable"
	bestEffort = "besteffort"
)

// Options is what a tree depends on.
type Options struct {
	// Root is the topmost group; empty: Root. Tests have one of their own.
	Root string
	// MilliCPU and MemoryBytes are what all pods together may take; 0 for no
	// limit of memory.
	MilliCPU, MemoryBytes int64
	Logger                *slog.Logger
}

// Tree is the groups. Its methods are safe in parallel.
type Tree struct {
	o Options

	mu   sync.Mutex // guards pods and changes of the class groups
	pods map[types.UID]entry
}

type entry struct {
	path     string
	class    v1.PodQOSClass
	milliCPU int64
}

// New makes the groups of all pods and of the classes. Groups of pods of an
// earlier agent stay.
func New(o Options) (*Tree, error) {
	if o.Root == "" {
		o.Root = Root
	}
	t := &Tree{o: o, pods: make(map[types.UID]entry)}
	for name, limits := range map[string]cgroups.Resources{
		o.Root:                        {CpuShares: shares(o.MilliCPU), Memory: o.MemoryBytes},
		path.Join(o.Root, bestEffort): {CpuShares: shares(0)},
		path.Join(o.Root, burstable):  {CpuShares: shares(0)},
	} {
		if err := apply(name, limits); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Name is the group of a pod of that class.
func (t *Tree) Name(uid types.UID, class v1.PodQOSClass) string {
	pod := "pod" + string(uid)
	switch class {
	case v1.PodQOSBestEffort:
		return path.Join(t.o.Root, bestEffort, pod)
	case v1.PodQOSBurstable:
		return path.Join(t.o.Root, burstable, pod)
	}
	return path.Join(t.o.Root, pod)
}

// Ensure makes the pod's group with the pod's limits and returns its name. It is
// cheap for a pod that has one.
func (t *Tree) Ensure(pod *v1.Pod) (string, error) {
	t.mu.Lock()
	have, ok := t.pods[pod.UID]
	t.mu.Unlock()
	if ok {
		return have.path, nil
	}
	class := podutil.QOS(pod)
	name := t.Name(pod.UID, class)
	if err := apply(name, podLimits(pod, class)); err != nil {
		return "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	requests := podutil.Requests(pod)
	t.pods[pod.UID] = entry{path: name, class: class, milliCPU: requests.Cpu().MilliValue()}
	return name, t.weigh(class)
}

// Remove takes the pod's group away. Whatever still runs in it is killed.
func (t *Tree) Remove(uid types.UID) error {
	t.mu.Lock()
	have, ok := t.pods[uid]
	t.mu.Unlock()
	names := []string{have.path}
	if !ok { // of an earlier agent
		names = []string{t.Name(uid, v1.PodQOSBestEffort), t.Name(uid, v1.PodQOSBurstable), t.Name(uid, v1.PodQOSGuaranteed)}
	}
	var errs []error
	for _, name := range names {
		errs = append(errs, destroy(name))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.pods, uid)
	return t.weigh(have.class)
}

// Pods are the pods that have a group, of an earlier agent too.
func (t *Tree) Pods() ([]types.UID, error) {
	var uids []types.UID
	for _, parent := range []string{t.o.Root, path.Join(t.o.Root, bestEffort), path.Join(t.o.Root, burstable)} {
		m, err := open(parent, cgroups.Resources{})
		if err != nil {
			return nil, err
		}
		for _, dir := range m.GetPaths() {
			entries, err := os.ReadDir(dir)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("list control groups below %s: %w", parent, err)
			}
			for _, entry := range entries {
				uid, ok := strings.CutPrefix(entry.Name(), "pod")
				if ok && entry.IsDir() && !slices.Contains(uids, types.UID(uid)) {
					uids = append(uids, types.UID(uid))
				}
			}
		}
	}
	return uids, nil
}

// weigh gives the burstable class the weight of what its pods asked for
// together; mu is held.
func (t *Tree) weigh(changed v1.PodQOSClass) error {
	if changed != v1.PodQOSBurstable {
		return nil
	}
	sum := int64(0)
	for _, e := range t.pods {
		if e.class == v1.PodQOSBurstable {
			sum += e.milliCPU
		}
	}
	return apply(path.Join(t.o.Root, burstable), cgroups.Resources{CpuShares: shares(sum)})
}

// Units of the kernel, see worker's resources.
const (
	period       = 100_000 // microseconds
	minQuota     = 1_000
	sharesPerCPU = 1024
	minShares    = 2
	maxShares    = 262_144
)

func shares(milli int64) uint64 {
	return uint64(min(max(milli*sharesPerCPU/1000, minShares), maxShares))
}

// podLimits bounds a pod as a whole by what its containers may take together,
// where every one of them is bounded.
func podLimits(pod *v1.Pod, class v1.PodQOSClass) cgroups.Resources {
	if class == v1.PodQOSBestEffort {
		return cgroups.Resources{CpuShares: minShares}
	}
	requests, limits := podutil.Requests(pod), podutil.Limits(pod)
	r := cgroups.Resources{CpuShares: shares(requests.Cpu().MilliValue())}
	if podutil.Limited(pod, v1.ResourceCPU) {
		r.CpuPeriod = period
		r.CpuQuota = max(limits.Cpu().MilliValue()*period/1000, minQuota)
	}
	if podutil.Limited(pod, v1.ResourceMemory) {
		r.Memory = limits.Memory().Value()
	}
	return r
}

// open is the group of that name; what it may do with devices is left alone.
func open(name string, r cgroups.Resources) (cgroups.Manager, error) {
	r.SkipDevices, r.SkipFreezeOnSet = true, true
	if cgroups.IsCgroup2UnifiedMode() {
		r.CpuWeight = cgroups.ConvertCPUSharesToCgroupV2Value(r.CpuShares)
	}
	m, err := manager.New(&cgroups.Cgroup{Path: name, Resources: &r})
	if err != nil {
		return nil, fmt.Errorf("control group %s: %w", name, err)
	}
	return m, nil
}

func apply(name string, r cgroups.Resources) error {
	m, err := open(name, r)
	if err != nil {
		return err
	}
	if err := m.Apply(-1); err != nil {
		return fmt.Errorf("make control group %s: %w", name, err)
	}
	r.SkipDevices, r.SkipFreezeOnSet = true, true
	if cgroups.IsCgroup2UnifiedMode() {
		r.CpuWeight = cgroups.ConvertCPUSharesToCgroupV2Value(r.CpuShares)
	}
	if err := m.Set(&r); err != nil {
		return fmt.Errorf("limit control group %s: %w", name, err)
	}
	return nil
}

func destroy(name string) error {
	m, err := open(name, cgroups.Resources{})
	if err != nil {
		return err
	}
	if !m.Exists() && !anyExists(m) {
		return nil
	}
	if pids, err := m.GetAllPids(); err == nil {
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL) // gone already is as good
		}
	}
	if err := m.Destroy(); err != nil {
		return fmt.Errorf("remove control group %s: %w", name, err)
	}
	return nil
}

// anyExists says that some controller still has the group: a removal may have
// ended half-way.
func anyExists(m cgroups.Manager) bool {
	for _, dir := range m.GetPaths() {
		if cgroups.PathExists(dir) {
			return true
		}
	}
	return false
}
