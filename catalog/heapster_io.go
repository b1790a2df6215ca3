package catalog

func networkFigures() []*HeapsterMetric {
	var all []*HeapsterMetric
	for _, n := range []struct{ name, help, unit, container, host string }{
		{"network/rx", "Bytes received", "bytes", "container_network_receive_bytes_total", "node_network_receive_bytes_total"},
		{"network/rx_errors", "Errors while receiving", "", "container_network_receive_errors_total", "node_network_receive_errs_total"},
		{"network/tx", "Bytes sent", "bytes", "container_network_transmit_bytes_total", "node_network_transmit_bytes_total"},
		{"network/tx_errors", "Errors while sending", "", "container_network_transmit_errors_total", "node_network_transmit_errs_total"},
	} {
		of := func(how How) []Derivation {
			return []Derivation{
				{Kind: Pod, How: how, Scope: AnyOfPod, Metric: n.container, Scale: 1},
				{Kind: Node, How: how, Metric: n.host, Scale: 1, Match: realInterfaces},
			}
		}
		all = append(all,
			&HeapsterMetric{
				Name: n.name, Description: n.help + ", over all interfaces.", Type: Cumulative,
				ValueType: Int64, Units: n.unit, Exported: true, Derivations: of(Last),
			},
			&HeapsterMetric{
				Name: n.name + "_rate", Description: n.help + " per second, over all interfaces.",
				Type: HeapsterGauge, ValueType: Double, Derivations: of(Rate),
			})
	}
	return all
}

func storageFigures() []*HeapsterMetric {
	gauge := func(name, help string, d []Derivation, exported bool) *HeapsterMetric {
		return &HeapsterMetric{
			Name: name, Description: help, Type: HeapsterGauge, ValueType: Int64,
			Units: "bytes", Exported: exported, Derivations: d,
		}
	}
	hostUsed := Derivation{
		Kind: Node, How: Last, Metric: "node_filesystem_size_bytes", Second: "node_filesystem_free_bytes",
		Op: Minus, Scale: 1, Match: rootFilesystem, Max: true,
	}
	withLogs := Derivation{
		Kind: PodContainer, How: Last, Metric: "container_fs_usage_bytes", Second: "container_fs_logs_bytes", Op: Plus, Scale: 1,
	}
	return []*HeapsterMetric{
		gauge("ephemeral_storage/usage", "Local storage used: writable layers and logs; on a node its root filesystem.",
			chain([]Derivation{withLogs}, last(PodContainer, "container_fs_usage_bytes", 1), []Derivation{hostUsed}, sums(Pod)), true),
		gauge("ephemeral_storage/request", "Guaranteed local storage; 0 when there is no request.",
			kubeResource(KubeRequests, "ephemeral_storage", 1, nil), false),
		gauge("ephemeral_storage/limit", "Hard limit on local storage; 0 when there is none.",
			kubeResource(KubeLimits, "ephemeral_storage", 1, nil), false),
	}
}

func filesystemFigures() []*HeapsterMetric {
	figure := func(name, help, unit, container, host, hostLess string, shared bool) *HeapsterMetric {
		node := Derivation{
			Kind: Node, How: Last, Metric: host, Scale: 1, Match: realFilesystems, From: device, Max: true,
		}
		if hostLess != "" {
			node.Second, node.Op = hostLess, Minus
		}
		d := forKinds(Derivation{How: Last, Metric: container, Scale: 1, From: device}, PodContainer, SystemContainer)
		return &HeapsterMetric{
			Name: name, Description: help, Type: HeapsterGauge, ValueType: Int64, Units: unit,
			Labels: []string{"resource_id"}, Exported: true,
			Derivations: append(d, node, Derivation{Kind: Pod, How: SumOf, Max: shared}),
		}
	}
	return []*HeapsterMetric{
		figure("filesystem/usage", "Bytes used on the filesystem.", "bytes",
			"container_fs_usage_bytes", "node_filesystem_size_bytes", "node_filesystem_free_bytes", false),
		figure("filesystem/limit", "Size of the filesystem.", "bytes",
			"container_fs_limit_bytes", "node_filesystem_size_bytes", "", true),
		figure("filesystem/available", "Bytes free on the filesystem.", "bytes",
			"container_fs_available_bytes", "node_filesystem_avail_bytes", "", true),
		figure("filesystem/inodes", "Inodes of the filesystem.", "",
			"container_fs_inodes_total", "node_filesystem_files", "", true),
		figure("filesystem/inodes_free", "Inodes free on the filesystem.", "",
			"container_fs_inodes_free", "node_filesystem_files_free", "", true),
	}
}

func diskFigures() []*HeapsterMetric {
	var all []*HeapsterMetric
	for _, n := range []struct{ name, help, container, host string }{
		{"disk/io_read_bytes", "Bytes read from the device", "container_fs_reads_bytes_total", "node_disk_read_bytes_total"},
		{"disk/io_write_bytes", "Bytes written to the device", "container_fs_writes_bytes_total", "node_disk_written_bytes_total"},
	} {
		of := func(how How) []Derivation {
			d := Derivation{How: how, Metric: n.container, Scale: 1, From: device}
			host := Derivation{Kind: Node, How: how, Metric: n.host, Scale: 1, From: device}
			return append(forKinds(d, PodContainer, SystemContainer), host)
		}
		all = append(all,
			&HeapsterMetric{
				Name: n.name, Description: n.help + ".", Type: Cumulative, ValueType: Int64, Units: "bytes",
				Labels: []string{"resource_id"}, Exported: true, Derivations: append(of(Last), Derivation{Kind: Pod, How: Only}),
			},
			&HeapsterMetric{
				Name: n.name + "_rate", Description: n.help + " per second.", Type: HeapsterGauge, ValueType: Double,
				Labels: []string{"resource_id"}, Exported: true, Derivations: append(of(Rate), sums(Pod)...),
			})
	}
	return all
}

func acceleratorFigures() []*HeapsterMetric {
	figure := func(name, help, unit, metric string) *HeapsterMetric {
		return &HeapsterMetric{
			Name: name, Description: help, Type: HeapsterGauge, ValueType: Int64, Units: unit,
			Labels: []string{"make", "model", "accelerator_id"}, Exported: true,
			Derivations: []Derivation{{
				Kind: PodContainer, How: Last, Metric: metric, Scale: 1, From: []string{"make", "model", "acc_id"},
			}},
		}
	}
	return []*HeapsterMetric{
		figure("accelerator/memory_total", "Memory of the accelerator.", "bytes", acceleratorTotal),
		figure("accelerator/memory_used", "Memory of the accelerator in use.", "bytes", acceleratorUsed),
		figure("accelerator/duty_cycle", "Percentage of time in which the accelerator was busy.", "", acceleratorActive),
	}
}
