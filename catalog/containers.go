package catalog

// containerMetrics are cAdvisor's names and meanings
// (https://github.com/google/cadvisor/blob/master/docs/storage/prometheus.md),
// less those that nobody can fill from cgroup files cheaply. A value that the
// kernel does not give is absent, never 0.
var containerMetrics = []Metric{
	{Name: "container_cpu_usage_seconds_total", Group: CPU, Kind: Counter, Unit: Seconds, Help: "CPU time used."},
	{Name: "container_cpu_user_seconds_total", Group: CPU, Kind: Counter, Unit: Seconds, Help: "CPU time used in user mode."},
	{Name: "container_cpu_system_seconds_total", Group: CPU, Kind: Counter, Unit: Seconds, Help: "CPU time used in kernel mode."},
	{Name: "container_cpu_cfs_periods_total", Group: CPU, Kind: Counter, Help: "Enforcement periods of the CPU quota that have passed."},
	{Name: "container_cpu_cfs_throttled_periods_total", Group: CPU, Kind: Counter, Help: "Enforcement periods in which the quota ran out."},
	{Name: "container_cpu_cfs_throttled_seconds_total", Group: CPU, Kind: Counter, Unit: Seconds, Help: "Time for which tasks were held back by the CPU quota."},
	{Name: "container_cpu_cfs_burst_periods_total", Group: CPU, Kind: Counter, Help: "Enforcement periods in which saved-up quota was used."},
	{Name: "container_cpu_cfs_burst_seconds_total", Group: CPU, Kind: Counter, Unit: Seconds, Help: "CPU time used above the quota from what was saved up."},

	{Name: "container_memory_usage_bytes", Group: Memory, Kind: Gauge, Unit: Bytes, Help: "Memory charged, page cache included."},
	{Name: "container_memory_working_set_bytes", Group: Memory, Kind: Gauge, Unit: Bytes, Help: "Memory charged less inactive file pages: what cannot simply be dropped."},
	{Name: "container_memory_rss", Group: Memory, Kind: Gauge, Unit: Bytes, Help: "Anonymous memory, swap cache included."},
	{Name: "container_memory_cache", Group: Memory, Kind: Gauge, Unit: Bytes, Help: "Page cache."},
	{Name: "container_memory_swap", Group: Memory, Kind: Gauge, Unit: Bytes, Help: "Swap used."},
	{Name: "container_memory_mapped_file", Group: Memory, Kind: Gauge, Unit: Bytes, Help: "Memory-mapped files."},
	{Name: "container_memory_max_usage_bytes", Group: Memory, Kind: Gauge, Unit: Bytes, Help: "Highest memory use recorded."},
	{Name: "container_memory_kernel_usage", Group: Memory, Kind: Gauge, Unit: Bytes, Help: "Kernel memory charged."},
	{Name: "container_memory_total_active_file_bytes", Group: Memory, Kind: Gauge, Unit: Bytes, Help: "File pages on the active list."},
	{Name: "container_memory_total_inactive_file_bytes", Group: Memory, Kind: Gauge, Unit: Bytes, Help: "File pages on the inactive list."},
	{Name: "container_memory_file_dirty_bytes", Group: Memory, Kind: Gauge, Unit: Bytes, Help: "File pages that wait to be written back."},
	{Name: "container_memory_file_writeback_bytes", Group: Memory, Kind: Gauge, Unit: Bytes, Help: "File pages being written back."},
	{Name: "container_memory_failcnt", Group: Memory, Kind: Counter, Help: "Times the memory limit was hit."},
	{Name: "container_memory_failures_total", Group: Memory, Kind: Counter, Help: "Page faults.", Labels: []string{"failure_type", "scope"}},
	{Name: "container_oom_events_total", Group: Memory, Kind: Counter, Help: "Processes killed because the memory limit was reached."},

	{Name: "container_network_receive_bytes_total", Group: Network, Kind: Counter, Unit: Bytes, Help: "Bytes received.", Labels: []string{"interface"}},
	{Name: "container_network_receive_packets_total", Group: Network, Kind: Counter, Help: "Packets received.", Labels: []string{"interface"}},
	{Name: "container_network_receive_errors_total", Group: Network, Kind: Counter, Help: "Errors while receiving.", Labels: []string{"interface"}},
	{Name: "container_network_receive_packets_dropped_total", Group: Network, Kind: Counter, Help: "Packets dropped while receiving.", Labels: []string{"interface"}},
	{Name: "container_network_transmit_bytes_total", Group: Network, Kind: Counter, Unit: Bytes, Help: "Bytes transmitted.", Labels: []string{"interface"}},
	{Name: "container_network_transmit_packets_total", Group: Network, Kind: Counter, Help: "Packets transmitted.", Labels: []string{"interface"}},
	{Name: "container_network_transmit_errors_total", Group: Network, Kind: Counter, Help: "Errors while transmitting.", Labels: []string{"interface"}},
	{Name: "container_network_transmit_packets_dropped_total", Group: Network, Kind: Counter, Help: "Packets dropped while transmitting.", Labels: []string{"interface"}},

	{Name: "container_fs_reads_bytes_total", Group: BlockIO, Kind: Counter, Unit: Bytes, Help: "Bytes read from the device.", Labels: []string{"device"}},
	{Name: "container_fs_writes_bytes_total", Group: BlockIO, Kind: Counter, Unit: Bytes, Help: "Bytes written to the device.", Labels: []string{"device"}},
	{Name: "container_fs_reads_total", Group: BlockIO, Kind: Counter, Help: "Reads completed.", Labels: []string{"device"}},
	{Name: "container_fs_writes_total", Group: BlockIO, Kind: Counter, Help: "Writes completed.", Labels: []string{"device"}},

	{Name: "container_fs_usage_bytes", Group: Filesystem, Kind: Gauge, Unit: Bytes, Help: "Bytes of the writable layer.", Labels: []string{"device"}},
	{Name: "container_fs_limit_bytes", Group: Filesystem, Kind: Gauge, Unit: Bytes, Help: "Size of the filesystem that holds the writable layer.", Labels: []string{"device"}},
	{Name: "container_fs_available_bytes", Group: Filesystem, Kind: Gauge, Unit: Bytes, Help: "Bytes free on the filesystem that holds the writable layer.", Labels: []string{"device"}},
	{Name: "container_fs_inodes_total", Group: Filesystem, Kind: Gauge, Help: "Inodes of that filesystem.", Labels: []string{"device"}},
	{Name: "container_fs_inodes_free", Group: Filesystem, Kind: Gauge, Help: "Inodes free on that filesystem.", Labels: []string{"device"}},
	{Name: "container_fs_logs_bytes", Group: Filesystem, Kind: Gauge, Unit: Bytes, Help: "Bytes of the container's log files."},

	{Name: "container_processes", Group: Tasks, Kind: Gauge, Help: "Processes in the cgroup."},
	{Name: "container_threads", Group: Tasks, Kind: Gauge, Help: "Threads in the cgroup (the pids controller's count)."},
	{Name: "container_threads_max", Group: Tasks, Kind: Gauge, Help: "Limit on the number of threads; absent where there is none."},

	{Name: "container_pressure_cpu_waiting_seconds_total", Group: Pressure, Kind: Counter, Unit: Seconds, Help: "Time in which some task waited for CPU."},
	{Name: "container_pressure_cpu_stalled_seconds_total", Group: Pressure, Kind: Counter, Unit: Seconds, Help: "Time in which all tasks waited for CPU."},
	{Name: "container_pressure_memory_waiting_seconds_total", Group: Pressure, Kind: Counter, Unit: Seconds, Help: "Time in which some task waited for memory."},
	{Name: "container_pressure_memory_stalled_seconds_total", Group: Pressure, Kind: Counter, Unit: Seconds, Help: "Time in which all tasks waited for memory."},
	{Name: "container_pressure_io_waiting_seconds_total", Group: Pressure, Kind: Counter, Unit: Seconds, Help: "Time in which some task waited for I/O."},
	{Name: "container_pressure_io_stalled_seconds_total", Group: Pressure, Kind: Counter, Unit: Seconds, Help: "Time in which all tasks waited for I/O."},

	{Name: "container_spec_cpu_shares", Group: Spec, Kind: Gauge, Help: "CPU shares (cgroup v1 scale)."},
	{Name: "container_spec_cpu_quota", Group: Spec, Kind: Gauge, Help: "CPU quota in microseconds a period; absent where there is none."},
	{Name: "container_spec_cpu_period", Group: Spec, Kind: Gauge, Help: "CPU quota period in microseconds."},
	{Name: "container_spec_memory_limit_bytes", Group: Spec, Kind: Gauge, Unit: Bytes, Help: "Memory limit; absent where there is none."},
	{Name: "container_spec_memory_reservation_limit_bytes", Group: Spec, Kind: Gauge, Unit: Bytes, Help: "Memory reservation; absent where there is none."},
	{Name: "container_spec_memory_swap_limit_bytes", Group: Spec, Kind: Gauge, Unit: Bytes, Help: "Memory and swap limit; absent where there is none."},

	{Name: "container_start_time_seconds", Group: State, Kind: Gauge, Unit: Timestamp, Help: "When the container was started."},
	{Name: "container_last_seen", Group: State, Kind: Gauge, Unit: Timestamp, Help: "When the container was last read."},
}

// machineMetrics describe the machine, under cAdvisor's names.
var machineMetrics = []Metric{
	{Name: "machine_cpu_cores", Group: Machine, Kind: Gauge, Help: "Logical CPUs."},
	{Name: "machine_cpu_physical_cores", Group: Machine, Kind: Gauge, Help: "Physical cores."},
	{Name: "machine_cpu_sockets", Group: Machine, Kind: Gauge, Help: "CPU sockets."},
	{Name: "machine_memory_bytes", Group: Machine, Kind: Gauge, Unit: Bytes, Help: "Memory installed."},
	{Name: "machine_swap_bytes", Group: Machine, Kind: Gauge, Unit: Bytes, Help: "Swap configured."},
}

// ownMetrics carry what no peer has a name for.
var ownMetrics = []Metric{
	{Name: "lubberline_container_info", Group: State, Kind: Gauge, Help: "1 for each container, with what its runtime says of it. labels holds the labels as key:value, sorted, joined by commas.", Labels: []string{"container_id", "pod_uid", "runtime", "labels"}},
	{Name: "lubberline_node_info", Group: Machine, Kind: Gauge, Help: "1, with what identifies the machine.", Labels: []string{"hostname", "machine_id", "boot_id", "kernel", "os"}},
}
