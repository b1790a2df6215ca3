package dashboards

import (
	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/dashboards/model"
)

// Interfaces and filesystems that count twice or are not real are left out.
var (
	realInterface  = unlike("device", "lo|veth.*|docker[0-9]+|br-.*|cni[0-9]+|lxc.*|dummy.*|ifb.*|virbr.*")
	realFilesystem = unlike("fstype", "tmpfs|devtmpfs|ramfs|squashfs")
)

func node() *model.Dashboard {
	here := chosen("node")
	return &model.Dashboard{
		Name: "node", Title: "Node", Description: "One machine or several: what it does, what is left of it, and who uses it.",
		Variables:   []model.Variable{several(nodeVariable())},
		Links:       []string{"cluster", "capacity", "network", "logs", "events"},
		Annotations: marks(),
		Rows: []model.Row{
			row("Overview",
				help("CPU in use, as a share of what the node has.", gauge("CPU used", over(figure("cpu/usage_rate", catalog.Node, nil, here...), figure("cpu/node_capacity", catalog.Node, nil, here...)))),
				help("CPU that pods are guaranteed, as a share of what the node offers to pods.", gauge("CPU requested", over(figure("cpu/request", catalog.Node, nil, here...), figure("cpu/node_allocatable", catalog.Node, nil, here...)))),
				help("Memory charged less inactive file pages, as a share of what the node has.", gauge("Memory used", over(figure("memory/working_set", catalog.Node, nil, here...), figure("memory/node_capacity", catalog.Node, nil, here...)))),
				help("Memory that pods are guaranteed, as a share of what the node offers to pods.", gauge("Memory requested", over(figure("memory/request", catalog.Node, nil, here...), figure("memory/node_allocatable", catalog.Node, nil, here...)))),
				help("Time since the node that was started last was started.", steps(none(), stat("Up", model.Query{Figure: "uptime", Kind: catalog.Node, Agg: "min", Where: here}))),
				steps(none(), stat("Cores", figure("cpu/node_capacity", catalog.Node, nil, here...)))),
			row("CPU and memory",
				stacked("CPU", line("{{node}}", figure("cpu/usage_rate", catalog.Node, by("node"), here...)), limit("there is", figure("cpu/node_capacity", catalog.Node, nil, here...)),
					limit("requested", figure("cpu/request", catalog.Node, nil, here...))),
				unit(model.Cores, stacked("CPU by mode", line("{{mode}}", rate("node_cpu_seconds_total", by("mode"), and(here, isnt("mode", "idle"))...)))),
				stacked("Memory", line("working set, {{node}}", figure("memory/working_set", catalog.Node, by("node"), here...)),
					limit("there is", figure("memory/node_capacity", catalog.Node, nil, here...)), limit("requested", figure("memory/request", catalog.Node, nil, here...))),
				graph("Memory by use", line("available", sum("node_memory_MemAvailable_bytes", nil, here...)), line("page cache", sum("node_memory_Cached_bytes", nil, here...)),
					line("slab", sum("node_memory_Slab_bytes", nil, here...)), line("free", sum("node_memory_MemFree_bytes", nil, here...))),
				graph("Load", line("1 minute, {{node}}", sum("node_load1", by("node"), here...)), line("5 minutes, {{node}}", sum("node_load5", by("node"), here...)),
					line("15 minutes, {{node}}", sum("node_load15", by("node"), here...))),
				empty("the kernel has no pressure figures", unit(model.Share, graph("Pressure", line("CPU, {{node}}", rate("node_pressure_cpu_waiting_seconds_total", by("node"), here...)),
					line("memory, {{node}}", rate("node_pressure_memory_waiting_seconds_total", by("node"), here...)),
					line("I/O, {{node}}", rate("node_pressure_io_waiting_seconds_total", by("node"), here...)))))),
			row("Disks",
				graph("Filesystems used", line("{{node}} {{device}}", figure("filesystem/usage", catalog.Node, by("node", "device"), here...))),
				graph("Disk traffic", line("read, {{device}}", figure("disk/io_read_bytes_rate", catalog.Node, by("device"), here...)),
					line("written, {{device}}", figure("disk/io_write_bytes_rate", catalog.Node, by("device"), here...))),
				table("Filesystems", []model.Column{column("node", "Node", nil), column("mountpoint", "Mounted on", nil), column("device", "Device", nil)},
					cell("Size", sum("node_filesystem_size_bytes", by("node", "mountpoint", "device"), and(here, realFilesystem)...)),
					cell("Free", sum("node_filesystem_avail_bytes", by("node", "mountpoint", "device"), and(here, realFilesystem)...)),
					share("Used", expr(`1 - sum by (node, mountpoint, device) (node_filesystem_avail_bytes{node=~"$node",fstype!~"`+realFilesystem.Value+`"}) / sum by (node, mountpoint, device) (node_filesystem_size_bytes{node=~"$node",fstype!~"`+realFilesystem.Value+`"})`)),
					share("Inodes used", expr(`1 - sum by (node, mountpoint, device) (node_filesystem_files_free{node=~"$node",fstype!~"`+realFilesystem.Value+`"}) / (sum by (node, mountpoint, device) (node_filesystem_files{node=~"$node",fstype!~"`+realFilesystem.Value+`"}) > 0)`))),
				unit(model.Operations, graph("Disk operations", line("reads, {{device}}", rate("node_disk_reads_completed_total", by("device"), here...)),
					line("writes, {{device}}", rate("node_disk_writes_completed_total", by("device"), here...)))),
				unit(model.Share, graph("Disks busy", line("{{node}} {{device}}", rate("node_disk_io_time_seconds_total", by("node", "device"), here...))))),
			row("Network",
				graph("Traffic", line("received, {{node}}", figure("network/rx_rate", catalog.Node, by("node"), here...)), line("transmitted, {{node}}", figure("network/tx_rate", catalog.Node, by("node"), here...))),
				unit(model.Packets, graph("Errors and drops", line("receive errors, {{device}}", rate("node_network_receive_errs_total", by("device"), and(here, realInterface)...)),
					line("transmit errors, {{device}}", rate("node_network_transmit_errs_total", by("device"), and(here, realInterface)...)),
					line("receive drops, {{device}}", rate("node_network_receive_drop_total", by("device"), and(here, realInterface)...)),
					line("transmit drops, {{device}}", rate("node_network_transmit_drop_total", by("device"), and(here, realInterface)...))))),
			row("Pods and state",
				readiness("Ready", here...),
				sorted("Memory", wide(24, table("Pods", []model.Column{column("node", "Node", nil), column("namespace", "Namespace", toNamespace()), column("pod", "Pod", toPod())},
					in(model.Cores, cell("CPU", rate("container_cpu_usage_seconds_total", by("node", "namespace", "pod"), and(here, isnt("pod", ""), isnt("container", ""))...))),
					cell("Memory", sum("container_memory_working_set_bytes", by("node", "namespace", "pod"), and(here, isnt("pod", ""), isnt("container", ""))...))))),
				graph("Processes", line("runnable, {{node}}", sum("node_procs_running", by("node"), here...)), line("waiting for I/O, {{node}}", sum("node_procs_blocked", by("node"), here...))),
				graph("Files and connections", line("open files, {{node}}", sum("node_filefd_allocated", by("node"), here...)), line("connections tracked, {{node}}", sum("node_nf_conntrack_entries", by("node"), here...)))),
			closed("Logs", records("Records from the node", all(notEvents, only(fieldNode, "node")))),
		},
	}
}
