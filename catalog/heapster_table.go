package catalog

// Scales from Prometheus's units to Heapster's.
const (
	toMilli        = 1e3
	toNano         = 1e9
	toMilliseconds = 1e3
)

// virtualInterfaces are those whose traffic is seen a second time on a real
// one: a node's traffic leaves them out.
const virtualInterfaces = "lo|veth.*|docker[0-9]+|br-.*|cni[0-9]+|cali.*|flannel.*|vxlan.*|tunl.*|lxc.*|kube-.*|nodelocaldns|dummy.*|ifb.*|virbr.*"

var (
	device          = []string{"device"}
	realInterfaces  = []Match{{Label: "device", Value: virtualInterfaces, Regex: true, Not: true}}
	realFilesystems = []Match{{Label: "fstype", Value: "tmpfs|devtmpfs|ramfs|squashfs", Regex: true, Not: true}}
	rootFilesystem  = []Match{{Label: "mountpoint", Value: "/"}}
	busyModes       = []Match{{Label: "mode", Value: "idle|iowait|guest|guest_nice", Regex: true, Not: true}}
)

// perCgroup derives the same for containers, system containers and, from the
// root cgroup, nodes.
func perCgroup(d Derivation) []Derivation {
	return forKinds(d, PodContainer, SystemContainer, Node)
}

func forKinds(d Derivation, kinds ...ObjectKind) []Derivation {
	all := make([]Derivation, 0, len(kinds))
	for _, kind := range kinds {
		d.Kind = kind
		all = append(all, d)
	}
	return all
}

func sums(kinds ...ObjectKind) []Derivation { return forKinds(Derivation{How: SumOf}, kinds...) }

func chain(lists ...[]Derivation) []Derivation {
	var all []Derivation
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

func last(kind ObjectKind, metric string, scale float64, match ...Match) []Derivation {
	return []Derivation{{Kind: kind, How: Last, Metric: metric, Scale: scale, Match: match}}
}

// heapsterTable is the specification's table, family by family.
func heapsterTable() []*HeapsterMetric {
	var all []*HeapsterMetric
	for _, family := range [][]*HeapsterMetric{
		stateFigures(), cpuFigures(), memoryFigures(), networkFigures(), storageFigures(),
		filesystemFigures(), diskFigures(), acceleratorFigures(), nodeFigures(),
	} {
		all = append(all, family...)
	}
	return all
}

func stateFigures() []*HeapsterMetric {
	age := Derivation{How: Age, Metric: "container_start_time_seconds", Scale: toMilliseconds}
	podAge := age
	podAge.Kind, podAge.Scope = Pod, AnyOfPod
	return []*HeapsterMetric{
		{
			Name: "uptime", Description: "Time since the object was started.",
			Type: Cumulative, ValueType: Int64, Units: "ms", Exported: true,
			Derivations: chain(forKinds(age, PodContainer, SystemContainer), []Derivation{
				podAge,
				{Kind: Node, How: Age, Metric: "node_boot_time_seconds", Scale: toMilliseconds},
			}),
		},
		{
			Name: "restart_count", Description: "Times the container was restarted.",
			Type: HeapsterGauge, ValueType: Int64,
			Derivations: chain(last(PodContainer, KubeRestarts, 1), sums(Pod)),
		},
	}
}

func cpuFigures() []*HeapsterMetric {
	const usage = "container_cpu_usage_seconds_total"
	hostRate := Derivation{Kind: Node, How: Rate, Metric: "node_cpu_seconds_total", Scale: toMilli, Match: busyModes}
	hostUsage := Derivation{Kind: Node, How: Last, Metric: "node_cpu_seconds_total", Scale: toNano, Match: busyModes}
	return []*HeapsterMetric{
		{
			Name: "cpu/usage", Description: "CPU time used since the start, over all cores.",
			Type: Cumulative, ValueType: Int64, Units: "ns", Exported: true,
			Derivations: chain(perCgroup(Derivation{How: Last, Metric: usage, Scale: toNano}),
				[]Derivation{hostUsage}, last(Pod, usage, toNano), []Derivation{{Kind: Pod, How: Only}}),
		},
		{
			Name: "cpu/usage_rate", Description: "CPU in use, over all cores.",
			Type: HeapsterGauge, ValueType: Int64, Units: "millicores",
			Derivations: chain(perCgroup(Derivation{How: Rate, Metric: usage, Scale: toMilli}),
				[]Derivation{hostRate}, sums(Pod, Namespace, Cluster)),
		},
		{
			Name: "cpu/load", Description: "Runnable threads, in thousandths.",
			Type: HeapsterGauge, ValueType: Int64, Exported: true,
			Derivations: chain(last(PodContainer, loadAverage, 1), last(SystemContainer, loadAverage, 1),
				last(Node, "node_procs_running", toMilli), sums(Pod)),
		},
		{
			Name: "cpu/request", Description: "Guaranteed CPU; 0 when there is no request.",
			Type: HeapsterGauge, ValueType: Int64, Units: "millicores",
			Derivations: kubeResource(KubeRequests, "cpu", toMilli, nil),
		},
		{
			Name: "cpu/limit", Description: "Hard limit on CPU; 0 when there is none.",
			Type: HeapsterGauge, ValueType: Int64, Units: "millicores", Exported: true,
			Derivations: kubeResource(KubeLimits, "cpu", toMilli, &Derivation{
				Kind: PodContainer, How: Last, Metric: "container_spec_cpu_quota",
				Second: "container_spec_cpu_period", Op: DividedBy, Scale: toMilli,
			}),
		},
	}
}

// kubeResource derives a request or limit: from kube-state-metrics, else from
// the cgroup, else 0; summed over everything above.
func kubeResource(metric, resource string, scale float64, cgroup *Derivation) []Derivation {
	all := last(PodContainer, metric, scale, Match{Label: "resource", Value: resource})
	if cgroup != nil {
		all = append(all, *cgroup)
	}
	all = append(all, Derivation{Kind: PodContainer, How: Zero})
	if resource == "ephemeral_storage" {
		return append(all, sums(Pod, Node)...)
	}
	return append(all, sums(Pod, Namespace, Cluster, Node)...)
}
