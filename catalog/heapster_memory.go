package catalog

func memoryFigures() []*HeapsterMetric {
	limit := Derivation{Kind: PodContainer, How: Last, Metric: "container_spec_memory_limit_bytes", Scale: 1}
	return append([]*HeapsterMetric{
		memoryGauge("memory/usage", "Memory charged, page cache included.", "container_memory_usage_bytes", "node_memory_MemFree_bytes", true),
		memoryGauge("memory/working_set", "Memory charged less inactive file pages.", "container_memory_working_set_bytes", "node_memory_MemAvailable_bytes", false),
		memoryGauge("memory/rss", "Anonymous memory.", "container_memory_rss", "", false),
		memoryGauge("memory/cache", "Page cache.", "container_memory_cache", "", false),
		{
			Name: "memory/request", Description: "Guaranteed memory; 0 when there is no request.",
			Type: HeapsterGauge, ValueType: Int64, Units: "bytes",
			Derivations: kubeResource(KubeRequests, "memory", 1, nil),
		},
		{
			Name: "memory/limit", Description: "Hard limit on memory; 0 when there is none.",
			Type: HeapsterGauge, ValueType: Int64, Units: "bytes", Exported: true,
			Derivations: kubeResource(KubeLimits, "memory", 1, &limit),
		},
	}, faultFigures()...)
}

// memoryGauge is a gauge of the cgroup. hostFree is what to take off the host's
// memory where the root cgroup has no such file (cgroup v2).
func memoryGauge(name, help, metric, hostFree string, everywhere bool) *HeapsterMetric {
	d := perCgroup(Derivation{How: Last, Metric: metric, Scale: 1})
	if hostFree != "" {
		d = append(d, Derivation{
			Kind: Node, How: Last, Metric: "node_memory_MemTotal_bytes", Second: hostFree, Op: Minus, Scale: 1,
		})
	}
	d = append(d, sums(Pod)...)
	if everywhere {
		d = append(d, sums(Namespace, Cluster)...)
	}
	return &HeapsterMetric{
		Name: name, Description: help, Type: HeapsterGauge, ValueType: Int64,
		Units: "bytes", Exported: true, Derivations: d,
	}
}

func faultFigures() []*HeapsterMetric {
	return []*HeapsterMetric{
		faults("memory/page_faults", "Page faults.", "pgfault", "node_vmstat_pgfault"),
		faultRate("memory/page_faults_rate", "Page faults per second.", "pgfault", "node_vmstat_pgfault"),
		faults("memory/major_page_faults", "Page faults that needed I/O.", "pgmajfault", "node_vmstat_pgmajfault"),
		faultRate("memory/major_page_faults_rate", "Page faults that needed I/O, per second.", "pgmajfault", "node_vmstat_pgmajfault"),
	}
}

// faultMatches prefers the faults of the cgroup itself; kernels that only count
// with the cgroups below give the other.
func faultMatches(failure string) [][]Match {
	return [][]Match{
		{{Label: "failure_type", Value: failure}, {Label: "scope", Value: "container"}},
		{{Label: "failure_type", Value: failure}, {Label: "scope", Value: "hierarchy"}},
	}
}

func faultDerivations(how How, failure, host string) []Derivation {
	var all []Derivation
	for _, match := range faultMatches(failure) {
		d := Derivation{How: how, Metric: "container_memory_failures_total", Scale: 1, Match: match}
		all = append(all, forKinds(d, PodContainer, SystemContainer)...)
	}
	return append(all, Derivation{Kind: Node, How: how, Metric: host, Scale: 1})
}

func faults(name, help, failure, host string) *HeapsterMetric {
	d := faultDerivations(Last, failure, host)
	for _, match := range faultMatches(failure) {
		d = append(d, last(Pod, "container_memory_failures_total", 1, match...)...)
	}
	return &HeapsterMetric{
		Name: name, Description: help, Type: Cumulative, ValueType: Int64, Exported: true,
		Derivations: append(d, Derivation{Kind: Pod, How: Only}),
	}
}

func faultRate(name, help, failure, host string) *HeapsterMetric {
	return &HeapsterMetric{
		Name: name, Description: help, Type: HeapsterGauge, ValueType: Double,
		Derivations: append(faultDerivations(Rate, failure, host), sums(Pod)...),
	}
}
