package dashboards

import (
	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/dashboards/model"
)

// The container page is of every container, whatever runs it: those without a
// pod are chosen by their name at the engine.
func container() *model.Dashboard {
	in := chosen("namespace", "pod", "container")
	here := and(in, is("name", "$name"), isnt("image", ""))
	one := by("name", "namespace", "pod", "container")
	const legend = "{{namespace}} {{pod}} {{container}} {{name}}"
	const inPods = "{{pod}}/{{container}}"
	each := func(kind string, metric string) model.Target {
		return line(kind+", "+legend, rate(metric, one, here...))
	}
	level := func(kind string, metric string) model.Target {
		return line(kind+", "+legend, sum(metric, one, here...))
	}
	return &model.Dashboard{
		Name: "container", Title: "Container", Description: "Everything known of a container, of whatever engine.",
		Variables:   []model.Variable{several(namespaceVariable()), several(podVariable()), several(containerVariable()), several(nameVariable())},
		Links:       []string{"pod", "node", "logs", "events"},
		Annotations: marks(only(fieldNamespace, "namespace"), only(fieldPod, "pod")),
		Rows: []model.Row{
			row("In pods",
				graph("CPU", line(inPods, figure("cpu/usage_rate", catalog.PodContainer, by("pod", "container"), in...)), limit("limit, "+inPods, figure("cpu/limit", catalog.PodContainer, by("pod", "container"), in...))),
				graph("Memory", line(inPods, figure("memory/working_set", catalog.PodContainer, by("pod", "container"), in...)), limit("limit, "+inPods, figure("memory/limit", catalog.PodContainer, by("pod", "container"), in...))),
				graph("Anonymous memory", line(inPods, figure("memory/rss", catalog.PodContainer, by("pod", "container"), in...))),
				graph("Page cache", line(inPods, figure("memory/cache", catalog.PodContainer, by("pod", "container"), in...))),
				graph("Page faults", line(inPods, figure("memory/page_faults_rate", catalog.PodContainer, by("pod", "container"), in...)),
					line("major, "+inPods, figure("memory/major_page_faults_rate", catalog.PodContainer, by("pod", "container"), in...))),
				graph("Files and logs", line(inPods, figure("ephemeral_storage/usage", catalog.PodContainer, by("pod", "container"), in...))),
				graph("Restarts", line(inPods, figure("restart_count", catalog.PodContainer, by("pod", "container"), in...)))),
			row("CPU",
				unit(model.Cores, graph("CPU by mode", each("user", "container_cpu_user_seconds_total"), each("system", "container_cpu_system_seconds_total"))),
				empty("no CPU limit is set", unit(model.Share, graph("Held back by the CPU limit", each("throttled", "container_cpu_cfs_throttled_seconds_total"))))),
			row("Memory",
				graph("Memory by use", level("working set", "container_memory_working_set_bytes"), level("anonymous", "container_memory_rss"), level("page cache", "container_memory_cache"),
					level("mapped", "container_memory_mapped_file"), level("kernel", "container_memory_kernel_usage"), level("swap", "container_memory_swap")),
				empty("no limit was hit and no process killed", unit(model.PerSecond, graph("Limit hit and processes killed", each("limit hit", "container_memory_failcnt"), each("killed", "container_oom_events_total"))))),
			row("Disks and network",
				empty(nothingOnDisk, graph("Disk traffic", each("read", "container_fs_reads_bytes_total"), each("written", "container_fs_writes_bytes_total"))),
				empty(nothingOnDisk, unit(model.Operations, graph("Disk operations", each("reads", "container_fs_reads_total"), each("writes", "container_fs_writes_total")))),
				graph("Network traffic of the pod or container", line("received, {{namespace}} {{pod}} {{name}}", rate("container_network_receive_bytes_total", by("namespace", "pod", "name"), chosen("namespace", "pod")...)),
					line("transmitted, {{namespace}} {{pod}} {{name}}", rate("container_network_transmit_bytes_total", by("namespace", "pod", "name"), chosen("namespace", "pod")...))),
				graph("Filesystem", level("writable layer", "container_fs_usage_bytes"), level("logs", "container_fs_logs_bytes"))),
			row("Processes",
				graph("Processes and threads", level("processes", "container_processes"), level("threads", "container_threads")),
				empty("the kernel has no pressure figures", unit(model.Share, graph("Pressure", each("CPU", "container_pressure_cpu_waiting_seconds_total"),
					each("memory", "container_pressure_memory_waiting_seconds_total"), each("I/O", "container_pressure_io_waiting_seconds_total"))))),
			row("Logs",
				sized(24, 6, volume("Records by level", all(notEvents, only(fieldNamespace, "namespace"), only(fieldPod, "pod"), only(fieldContainer, "container")), "level")),
				records("Records", all(notEvents, only(fieldNamespace, "namespace"), only(fieldPod, "pod"), only(fieldContainer, "container")))),
		},
	}
}
