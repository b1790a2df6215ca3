package dashboards

import (
	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/dashboards/model"
)

func pod() *model.Dashboard {
	here := chosen("namespace", "pod")
	perContainer := by("container")
	return &model.Dashboard{
		Name: "pod", Title: "Pod", Description: "One pod or several: its containers, against what they asked for and may have, its logs and events.",
		Variables:   []model.Variable{several(namespaceVariable()), several(podVariable())},
		Links:       []string{"namespaces", "workloads", "container", "logs", "events"},
		Annotations: marks(only(fieldNamespace, "namespace"), only(fieldPod, "pod")),
		Rows: []model.Row{
			row("State",
				help("Containers that run.", steps(none(), stat("Containers", count(figure("uptime", catalog.PodContainer, nil, here...))))),
				help("Time since the youngest of the pods was started.", steps(none(), stat("Up", model.Query{Figure: "uptime", Kind: catalog.Pod, Agg: "min", Where: here}))),
				steps(bad(), stat("Restarts", figure("restart_count", catalog.Pod, nil, here...))),
				help("Whether the pod is ready for requests.", sized(12, 4, states("Ready", yesNo("ready", "not ready"), line("{{pod}}", sum("kube_pod_status_ready", by("pod"), and(here, is("condition", "true"))...))))),
				sorted("Memory used", table("Containers", []model.Column{column("namespace", "Namespace", toNamespace()), column("pod", "Pod", nil), column("container", "Container", toContainer())},
					containerCells(here)...))),
			row("CPU and memory",
				drill(*toContainer(), graph("CPU", against("cpu/usage_rate", "cpu/request", "cpu/limit", perContainer, here)...)),
				drill(*toContainer(), graph("Memory", against("memory/working_set", "memory/request", "memory/limit", perContainer, here)...)),
				help("Share of the enforcement periods in which the quota ran out.", empty("no container has a CPU limit", unit(model.Share, graph("CPU held back by its limit", line("{{container}}",
					over(rate("container_cpu_cfs_throttled_periods_total", perContainer, and(here, isnt("container", ""))...), rate("container_cpu_cfs_periods_total", perContainer, and(here, isnt("container", ""))...))))))),
				graph("Page faults", line("{{container}}", figure("memory/page_faults_rate", catalog.PodContainer, perContainer, here...)))),
			row("Network and disks",
				graph("Received", line("{{pod}}", figure("network/rx_rate", catalog.Pod, by("pod"), here...))),
				graph("Transmitted", line("{{pod}}", figure("network/tx_rate", catalog.Pod, by("pod"), here...))),
				graph("Files", line("{{container}}", figure("ephemeral_storage/usage", catalog.PodContainer, perContainer, here...))),
				empty(nothingOnDisk, graph("Disk traffic", line("read, {{container}}", figure("disk/io_read_bytes_rate", catalog.PodContainer, perContainer, here...)),
					line("written, {{container}}", figure("disk/io_write_bytes_rate", catalog.PodContainer, perContainer, here...))))),
			row("Logs and events",
				wide(24, sized(24, 6, volume("Records by level", all(notEvents, only(fieldNamespace, "namespace"), only(fieldPod, "pod")), "level"))),
				records("Records", all(notEvents, only(fieldNamespace, "namespace"), only(fieldPod, "pod"))),
				empty("nothing happened to the pod", sized(24, 8, records("Events", all(events, only(fieldNamespace, "namespace"), only(fieldPod, "pod")))))),
		},
	}
}

// containerCells are the columns of tables of containers.
func containerCells(where []model.Match) []model.Target {
	container := by("namespace", "pod", "container")
	return []model.Target{
		cell("CPU used", figure("cpu/usage_rate", catalog.PodContainer, container, where...)),
		cell("CPU requested", figure("cpu/request", catalog.PodContainer, container, where...)),
		cell("CPU limit", figure("cpu/limit", catalog.PodContainer, container, where...)),
		cell("Memory used", figure("memory/working_set", catalog.PodContainer, container, where...)),
		cell("Memory requested", figure("memory/request", catalog.PodContainer, container, where...)),
		cell("Memory limit", figure("memory/limit", catalog.PodContainer, container, where...)),
		cell("Up", figure("uptime", catalog.PodContainer, container, where...)),
	}
}

// against draws what containers use, with what they asked for and may have as
// dashes.
func against(usage, request, most string, labels []string, where []model.Match) []model.Target {
	return []model.Target{
		line("{{container}}", figure(usage, catalog.PodContainer, labels, where...)),
		limit("requested, {{container}}", figure(request, catalog.PodContainer, labels, where...)),
		limit("limit, {{container}}", figure(most, catalog.PodContainer, labels, where...)),
	}
}
