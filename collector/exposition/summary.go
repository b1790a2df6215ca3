package exposition

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/lubberline/lubberline/collector/reading"
	"github.com/lubberline/lubberline/collector/series"
)

func (e *Exposition) serveSummary(w http.ResponseWriter, r *http.Request) {
	var s summary
	ready := false
	e.containers.View(func(tick time.Time, cs []*reading.Container) {
		if ready = !tick.IsZero(); ready {
			s = e.summarize(group(cs))
		}
	})
	if !ready {
		http.Error(w, "no sample yet", http.StatusServiceUnavailable)
		return
	}
	respond(w, r, "application/json", func(b []byte) []byte {
		text, err := json.Marshal(s)
		if err != nil {
			e.logger.Error("cannot write the summary", "error", err)
		}
		return append(append(b, text...), '\n')
	})
}

func (e *Exposition) summarize(n node) summary {
	s := summary{Node: nodeStats{NodeName: e.node}, Pods: make([]podStats, 0, len(n.pods))}
	if n.root != nil {
		s.Node.CPU, s.Node.Memory = e.cpuOf(n.root), memoryOf(n.root)
	}
	e.machine.View(func(at time.Time, points []series.Point) {
		if !at.IsZero() {
			s.Node.addMachine(at.UTC(), sumUp(points))
		}
	})
	for _, c := range n.system {
		s.Node.SystemContainers = append(s.Node.SystemContainers, e.container(systemName(c.ID), c))
	}
	for _, p := range n.pods {
		s.Pods = append(s.Pods, e.pod(p))
	}
	return s
}

// systemName is the kubelet's name for those cgroups it has one for, and the
// cgroup's path for all others.
func systemName(id string) string {
	switch id {
	case "/kubepods", "/kubepods.slice":
		return "pods"
	case "/system.slice/kubelet.service":
		return "kubelet"
	case "/system.slice/docker.service", "/system.slice/containerd.service", "/system.slice/crio.service":
		return "runtime"
	case "/system.slice":
		return "misc"
	}
	return id
}

// addMachine adds what only /proc knows, and stands in for a root cgroup that
// has no figures.
func (n *nodeStats) addMachine(at time.Time, m machineFigures) {
	n.StartTime = time.Unix(int64(m.boot), 0).UTC()
	if cpu := m.cpu(); n.CPU == nil && cpu != nil {
		n.CPU = &cpuStats{Time: at, UsageCoreNanoSeconds: &cpu.N}
	}
	if set := m.workingSet(); set != nil {
		if n.Memory == nil {
			n.Memory = &memoryStats{Time: at, WorkingSetBytes: &set.N}
		}
		n.Memory.AvailableBytes = new(uint64(m.available))
	}
	if m.rootSize > 0 {
		n.Fs = &fsStats{
			Time: at, AvailableBytes: new(uint64(m.rootAvailable)), CapacityBytes: new(uint64(m.rootSize)),
			UsedBytes: new(uint64(m.rootSize - m.rootAvailable)), InodesFree: new(uint64(m.rootFree)),
			Inodes: new(uint64(m.rootFiles)), InodesUsed: new(uint64(m.rootFiles - m.rootFree)),
		}
	}
	n.Network = newNetworkStats(at, m.interfaces)
}

func (e *Exposition) pod(p *pod) podStats {
	s := podStats{
		PodRef:     podReference{Name: p.name, Namespace: p.namespace, UID: p.uid},
		StartTime:  p.started(),
		Containers: make([]containerStats, 0, len(p.containers)),
		CPU:        e.podCPU(p),
		Memory:     podMemoryOf(p),
		Network:    p.network(),
	}
	for _, c := range p.containers {
		s.Containers = append(s.Containers, e.container(c.Identity.Container, c))
	}
	if count, ok := p.sum(reading.Processes); ok { // the pod's own cgroup has none itself
		s.ProcessStats = &processStats{ProcessCount: &count}
	}
	return s
}

func (e *Exposition) container(name string, c *reading.Container) containerStats {
	s := containerStats{Name: name, StartTime: fromNano(series.Started(c)), CPU: e.cpuOf(c), Memory: memoryOf(c)}
	at := fromNano(c.Sample.Time)
	if len(c.Sample.Filesystems) > 0 {
		f := c.Sample.Filesystems[0]
		s.Rootfs = &fsStats{
			Time: at, UsedBytes: &f.Usage, CapacityBytes: &f.Limit, AvailableBytes: &f.Available,
			Inodes: &f.Inodes, InodesFree: &f.InodesFree,
		}
	}
	if logs, ok := c.Sample.Get(reading.FilesystemLogs); ok {
		s.Logs = &fsStats{Time: at, UsedBytes: &logs}
	}
	return s
}

func (e *Exposition) cpuOf(c *reading.Container) *cpuStats {
	usage := known(c, reading.CPUUsage)
	if usage == nil {
		return nil
	}
	s := &cpuStats{Time: fromNano(c.Sample.Time), UsageCoreNanoSeconds: usage}
	if rate, ok := e.rates.nanoCores(c); ok {
		s.UsageNanoCores = &rate
	}
	return s
}

func memoryOf(c *reading.Container) *memoryStats {
	s := &memoryStats{
		Time:            fromNano(c.Sample.Time),
		UsageBytes:      known(c, reading.MemoryUsage),
		WorkingSetBytes: known(c, reading.MemoryWorkingSet),
		RSSBytes:        known(c, reading.MemoryRSS),
		PageFaults:      cmp.Or(known(c, reading.MemoryFaultsTree), known(c, reading.MemoryFaults)),
		MajorPageFaults: cmp.Or(known(c, reading.MemoryMajorFaultsTree), known(c, reading.MemoryMajorFaults)),
	}
	if s.UsageBytes == nil && s.WorkingSetBytes == nil {
		return nil
	}
	limit := known(c, reading.SpecMemoryLimit)
	if limit != nil && s.WorkingSetBytes != nil && *limit >= *s.WorkingSetBytes {
		s.AvailableBytes = new(*limit - *s.WorkingSetBytes)
	}
	return s
}

// podCPU sums the rates only when all containers have one.
func (e *Exposition) podCPU(p *pod) *cpuStats {
	if p.cgroup != nil {
		if s := e.cpuOf(p.cgroup); s != nil {
			return s
		}
	}
	usage, ok := p.total(reading.CPUUsage)
	if !ok {
		return nil
	}
	s := &cpuStats{Time: fromNano(p.newest()), UsageCoreNanoSeconds: &usage}
	var sum uint64
	for _, c := range p.all() {
		rate, ok := e.rates.nanoCores(c)
		if !ok {
			return s
		}
		sum += rate
	}
	s.UsageNanoCores = &sum
	return s
}

func podMemoryOf(p *pod) *memoryStats {
	if p.cgroup != nil {
		if s := memoryOf(p.cgroup); s != nil {
			return s
		}
	}
	total := func(f reading.Field) *uint64 {
		if v, ok := p.total(f); ok {
			return &v
		}
		return nil
	}
	s := &memoryStats{
		Time:            fromNano(p.newest()),
		UsageBytes:      total(reading.MemoryUsage),
		WorkingSetBytes: total(reading.MemoryWorkingSet),
		RSSBytes:        total(reading.MemoryRSS),
		PageFaults:      cmp.Or(total(reading.MemoryFaultsTree), total(reading.MemoryFaults)),
		MajorPageFaults: cmp.Or(total(reading.MemoryMajorFaultsTree), total(reading.MemoryMajorFaults)),
	}
	if s.UsageBytes == nil && s.WorkingSetBytes == nil {
		return nil
	}
	return s
}

// started is when the first of the pod's containers was started.
func (p *pod) started() time.Time {
	first := int64(0)
	for _, c := range p.all() {
		if t := series.Started(c); t > 0 && (first == 0 || t < first) {
			first = t
		}
	}
	return fromNano(first)
}

// network is that of the sandbox, or of the first container that has any.
func (p *pod) network() *networkStats {
	all := p.all()
	if p.sandbox != nil {
		all = append([]*reading.Container{p.sandbox}, all...)
	}
	i := slices.IndexFunc(all, func(c *reading.Container) bool { return len(c.Sample.Interfaces) > 0 })
	if i < 0 {
		return nil
	}
	var list []interfaceStats
	for _, n := range all[i].Sample.Interfaces {
		if n.Interface != "lo" {
			list = append(list, interfaceStats{Name: n.Interface, RxBytes: &n.RxBytes, RxErrors: &n.RxErrors, TxBytes: &n.TxBytes, TxErrors: &n.TxErrors})
		}
	}
	return newNetworkStats(fromNano(all[i].Sample.Time), list)
}

// newNetworkStats takes eth0 for the default interface, or else the first.
func newNetworkStats(at time.Time, interfaces []interfaceStats) *networkStats {
	if len(interfaces) == 0 {
		return nil
	}
	i := max(0, slices.IndexFunc(interfaces, func(s interfaceStats) bool { return s.Name == "eth0" }))
	return &networkStats{Time: at, interfaceStats: interfaces[i], Interfaces: interfaces}
}

func known(c *reading.Container, f reading.Field) *uint64 {
	if v, ok := c.Sample.Get(f); ok {
		return &v
	}
	return nil
}

// fromNano is the time for nanoseconds since the epoch; the zero time for 0.
func fromNano(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
