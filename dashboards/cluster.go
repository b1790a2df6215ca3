package dashboards

import (
	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/dashboards/model"
)

func cluster() *model.Dashboard {
	return &model.Dashboard{
		Name: "cluster", Title: "Cluster", Description: "Everything at a glance: what the nodes and namespaces use, and what is not well.",
		Links:       []string{"namespaces", "node", "workloads", "network", "logs", "events", "capacity", "lubberline"},
		Annotations: marks(),
		Rows: []model.Row{
			row("Overview", clusterOverview()...),
			row("CPU and memory", used("CPU", "cpu/usage_rate", "cpu/node_capacity"),
				used("Memory", "memory/working_set", "memory/node_capacity"),
				perNamespace("CPU by namespace", "cpu/usage_rate"), perNamespace("Memory by namespace", "memory/usage")),
			row("Nodes", nodesTable(), readiness("Nodes ready")),
			row("Network and disks",
				drill(*toNode(), stacked("Received, by node", line("{{node}}", figure("network/rx_rate", catalog.Node, by("node"))))),
				drill(*toNode(), stacked("Transmitted, by node", line("{{node}}", figure("network/tx_rate", catalog.Node, by("node"))))),
				drill(*toNode(), stacked("Filesystems used, by node", line("{{node}}", figure("filesystem/usage", catalog.Node, by("node"))))),
				graph("Disks, by node", line("read, {{node}}", figure("disk/io_read_bytes_rate", catalog.Node, by("node"))),
					line("written, {{node}}", figure("disk/io_write_bytes_rate", catalog.Node, by("node"))))),
			row("Containers", busiest()),
		},
	}
}

func clusterOverview() []model.Panel {
	return []model.Panel{
		help("Nodes whose collector answers.", steps(none(), stat("Nodes", count(figure("uptime", catalog.Node, nil))))),
		help("Pods that run; those without Kubernetes are containers of an engine.", steps(none(), stat("Pods", count(figure("uptime", catalog.Pod, nil))))),
		help("CPU in use, as a share of all cores.", gauge("CPU used", over(figure("cpu/usage_rate", catalog.Node, nil), figure("cpu/node_capacity", catalog.Node, nil)))),
		help("Memory charged less inactive file pages, as a share of what the nodes have.", gauge("Memory used", over(figure("memory/working_set", catalog.Node, nil), figure("memory/node_capacity", catalog.Node, nil)))),
		help("Pods that have not ended and are not ready for requests.", steps(bad(), stat("Pods not ready", expr(`sum(kube_pod_status_ready{condition="false"} and on (namespace, pod) (kube_pod_status_phase{phase=~"Running|Pending|Unknown"} == 1)) or vector(0)`)))),
		help("Times that containers of pods were restarted in the last hour.", steps(bad(), stat("Restarts in an hour", expr(`ceil(sum(increase(kube_pod_container_status_restarts_total[1h]))) or vector(0)`)))),
	}
}

// used shows each node's part of what there is.
func used(title, usage, capacity string) model.Panel {
	return drill(*toNode(), stacked(title+" by node", line("{{node}}", figure(usage, catalog.Node, by("node"))),
		limit("there is", figure(capacity, catalog.Node, nil))))
}

func perNamespace(title, name string) model.Panel {
	return drill(*toNamespace(), stacked(title, line("{{namespace}}", figure(name, catalog.Namespace, by("namespace")))))
}

func nodesTable() model.Panel {
	node := by("node")
	return table("Nodes", []model.Column{column("node", "Node", toNode())},
		share("CPU used", figure("cpu/node_utilization", catalog.Node, node)),
		share("CPU requested", figure("cpu/node_reservation", catalog.Node, node)),
		share("Memory used", figure("memory/node_utilization", catalog.Node, node)),
		share("Memory requested", figure("memory/node_reservation", catalog.Node, node)),
		cell("Up", figure("uptime", catalog.Node, node)))
}

func readiness(title string, where ...model.Match) model.Panel {
	return help("Whether the node is ready for pods, as its condition Ready says.", states(title, yesNo("ready", "not ready"),
		line("{{node}}", sum("kube_node_status_condition", by("node"), and(where, is("condition", "Ready"), is("status", "true"))...))))
}

// busiest are the containers of all engines, in pods or not; sandboxes are not
// among them.
func busiest() model.Panel {
	labels := by("node", "namespace", "pod", "container", "name")
	real := []model.Match{isnt("name", ""), isnt("image", ""), unlike("image", ".*pause.*")}
	return sorted("CPU", table("Busiest containers", []model.Column{
		column("node", "Node", toNode()), column("namespace", "Namespace", toNamespace()), column("pod", "Pod", toPod()),
		column("container", "Container", toContainer()),
		column("name", "Name at the engine", &model.Drill{Title: "Open the container", Dashboard: "container", Variables: map[string]string{"name": "name"}}),
	}, in(model.Cores, cell("CPU", top(30, rate("container_cpu_usage_seconds_total", labels, real...)))),
		cell("Memory", sum("container_memory_working_set_bytes", labels, real...))))
}
