package series

import (
	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/collector/reading"
)

// scale says how a field's unit becomes the metric's.
type scale bool

const (
	asIs    scale = false
	seconds scale = true // the field is in nanoseconds
)

// scalars has one line for each reading.Field.
var scalars = [reading.NumFields]struct {
	metric string
	scale  scale
	fixed  []Label
}{
	reading.CPUUsage:            {"container_cpu_usage_seconds_total", seconds, nil},
	reading.CPUUser:             {"container_cpu_user_seconds_total", seconds, nil},
	reading.CPUSystem:           {"container_cpu_system_seconds_total", seconds, nil},
	reading.CFSPeriods:          {"container_cpu_cfs_periods_total", asIs, nil},
	reading.CFSThrottledPeriods: {"container_cpu_cfs_throttled_periods_total", asIs, nil},
	reading.CFSThrottledTime:    {"container_cpu_cfs_throttled_seconds_total", seconds, nil},
	reading.CFSBurstPeriods:     {"container_cpu_cfs_burst_periods_total", asIs, nil},
	reading.CFSBurstTime:        {"container_cpu_cfs_burst_seconds_total", seconds, nil},

	reading.MemoryUsage:           {"container_memory_usage_bytes", asIs, nil},
	reading.MemoryWorkingSet:      {"container_memory_working_set_bytes", asIs, nil},
	reading.MemoryRSS:             {"container_memory_rss", asIs, nil},
	reading.MemoryCache:           {"container_memory_cache", asIs, nil},
	reading.MemorySwap:            {"container_memory_swap", asIs, nil},
	reading.MemoryMappedFile:      {"container_memory_mapped_file", asIs, nil},
	reading.MemoryMaxUsage:        {"container_memory_max_usage_bytes", asIs, nil},
	reading.MemoryKernel:          {"container_memory_kernel_usage", asIs, nil},
	reading.MemoryActiveFile:      {"container_memory_total_active_file_bytes", asIs, nil},
	reading.MemoryInactiveFile:    {"container_memory_total_inactive_file_bytes", asIs, nil},
	reading.MemoryDirty:           {"container_memory_file_dirty_bytes", asIs, nil},
	reading.MemoryWriteback:       {"container_memory_file_writeback_bytes", asIs, nil},
	reading.MemoryFailcnt:         {"container_memory_failcnt", asIs, nil},
	reading.MemoryFaults:          {"container_memory_failures_total", asIs, faults("pgfault", "container")},
	reading.MemoryMajorFaults:     {"container_memory_failures_total", asIs, faults("pgmajfault", "container")},
	reading.MemoryFaultsTree:      {"container_memory_failures_total", asIs, faults("pgfault", "hierarchy")},
	reading.MemoryMajorFaultsTree: {"container_memory_failures_total", asIs, faults("pgmajfault", "hierarchy")},
	reading.OOMKills:              {"container_oom_events_total", asIs, nil},

	reading.Processes:  {"container_processes", asIs, nil},
	reading.Threads:    {"container_threads", asIs, nil},
	reading.ThreadsMax: {"container_threads_max", asIs, nil},

	reading.PressureCPUWaiting:    {"container_pressure_cpu_waiting_seconds_total", seconds, nil},
	reading.PressureCPUStalled:    {"container_pressure_cpu_stalled_seconds_total", seconds, nil},
	reading.PressureMemoryWaiting: {"container_pressure_memory_waiting_seconds_total", seconds, nil},
	reading.PressureMemoryStalled: {"container_pressure_memory_stalled_seconds_total", seconds, nil},
	reading.PressureIOWaiting:     {"container_pressure_io_waiting_seconds_total", seconds, nil},
	reading.PressureIOStalled:     {"container_pressure_io_stalled_seconds_total", seconds, nil},

	reading.SpecCPUShares:         {"container_spec_cpu_shares", asIs, nil},
	reading.SpecCPUQuota:          {"container_spec_cpu_quota", asIs, nil},
	reading.SpecCPUPeriod:         {"container_spec_cpu_period", asIs, nil},
	reading.SpecMemoryLimit:       {"container_spec_memory_limit_bytes", asIs, nil},
	reading.SpecMemoryReservation: {"container_spec_memory_reservation_limit_bytes", asIs, nil},
	reading.SpecMemorySwapLimit:   {"container_spec_memory_swap_limit_bytes", asIs, nil},

	reading.FilesystemLogs: {"container_fs_logs_bytes", asIs, nil},
}

func faults(kind, scope string) []Label {
	return []Label{{"failure_type", kind}, {"scope", scope}}
}

func scalarRows() []Row {
	rows := make([]Row, 0, len(scalars))
	for i, s := range scalars {
		field, nano := reading.Field(i), bool(s.scale)
		rows = append(rows, Row{
			Metric: catalog.MustLookup(s.metric),
			Fixed:  s.fixed,
			each: func(c *reading.Container, emit Emit) {
				if v, ok := c.Sample.Get(field); ok {
					emit("", Value{N: v, Nano: nano})
				}
			},
		})
	}
	return rows
}
