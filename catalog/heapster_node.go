package catalog

// nodeFigures are what a node offers and how much of it is taken. Utilization
// of memory is memory/usage over allocatable, as Heapster had it. Where
// allocatable is not known the shares are absent.
func nodeFigures() []*HeapsterMetric {
	var all []*HeapsterMetric
	for _, r := range []struct {
		name, usage, machine, unit string
		scale                      float64
	}{
		{"cpu", "cpu/usage_rate", "machine_cpu_cores", "millicores", toMilli},
		{"memory", "memory/usage", "machine_memory_bytes", "bytes", 1},
		{"ephemeral_storage", "ephemeral_storage/usage", "", "bytes", 1},
	} {
		gauge := func(suffix, help, units string, d []Derivation) *HeapsterMetric {
			return &HeapsterMetric{
				Name: r.name + "/node_" + suffix, Description: help, Type: HeapsterGauge,
				ValueType: Double, Units: units, Derivations: d,
			}
		}
		share := func(figure string) []Derivation {
			return []Derivation{{Kind: Node, How: Share, Metric: figure, Second: r.name + "/node_allocatable"}}
		}
		resource := Match{Label: "resource", Value: r.name}
		capacity := last(Node, KubeNodeCapacity, r.scale, resource)
		allocatable := last(Node, KubeNodeAllocatable, r.scale, resource)
		if r.machine != "" {
			capacity = append(capacity, last(Node, r.machine, r.scale)...)
			allocatable = append(allocatable, last(Node, r.machine, r.scale)...)
		}
		all = append(all,
			gauge("capacity", "What the node has of "+r.name+".", r.unit, capacity),
			gauge("allocatable", "What the node offers to pods of "+r.name+".", r.unit, allocatable),
			gauge("utilization", "Share of the allocatable "+r.name+" in use.", "", share(r.usage)),
			gauge("reservation", "Share of the allocatable "+r.name+" requested by pods.", "", share(r.name+"/request")))
	}
	return all
}
