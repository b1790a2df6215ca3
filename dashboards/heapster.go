package dashboards

import (
	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/dashboards/model"
)

// Heapster's two dashboards, with its variables. Mended: what was called
// overall was the mean of the nodes and is their sum; there are panels of
// nodes' utilization and of disks; a pod's filesystem is what its containers
// write, so that it is not empty without volumes; traffic is there for each pod.

func heapsterCluster() *model.Dashboard {
	const k = catalog.Node
	one := []model.Match{is("node", "$nodename")}
	name := nodeVariable()
	name.Name, name.Label = "nodename", "Node"
	three := func(title string, overall, individual []model.Target, byNode ...model.Target) model.Row {
		return row(title, graph("Overall "+title, overall...), graph(title+" by node", byNode...), wide(24, graph("Individual "+title+": $nodename", individual...)))
	}
	of := func(legend, figureName string) (model.Target, model.Target, model.Target) {
		return line(legend, figure(figureName, k, nil)), line(legend, figure(figureName, k, nil, one...)), line("{{node}} "+legend, figure(figureName, k, by("node")))
	}
	family := func(title string, names ...string) model.Row {
		var overall, individual, nodes []model.Target
		for i := 0; i < len(names); i += 2 {
			a, b, c := of(names[i], names[i+1])
			overall, individual, nodes = append(overall, a), append(individual, b), append(nodes, c)
		}
		return three(title, overall, individual, nodes...)
	}
	return &model.Dashboard{
		Name: "heapster-cluster", Title: "Heapster: Cluster", Description: "Heapster's own page of the cluster, mended.", From: "now-30m",
		Variables: []model.Variable{name}, Links: []string{"heapster-pods", "cluster"},
		Rows: []model.Row{
			family("CPU", "usage", "cpu/usage_rate", "limit", "cpu/limit", "request", "cpu/request"),
			family("memory", "usage", "memory/usage", "working set", "memory/working_set", "limit", "memory/limit", "request", "memory/request"),
			family("network", "tx", "network/tx_rate", "rx", "network/rx_rate"),
			family("filesystem", "usage", "filesystem/usage", "limit", "filesystem/limit"),
			family("disk I/O", "read", "disk/io_read_bytes_rate", "write", "disk/io_write_bytes_rate"),
			row("Utilization", graph("CPU utilization by node", line("{{node}}", figure("cpu/node_utilization", k, by("node")))),
				graph("Memory utilization by node", line("{{node}}", figure("memory/node_utilization", k, by("node"))))),
		},
	}
}

func heapsterPods() *model.Dashboard {
	namespace, pod := namespaceVariable(), podVariable()
	pod.Name, pod.Label = "podname", "Pod"
	here := []model.Match{is("namespace", "$namespace"), is("pod", "$podname")}
	container := by("container")
	ofContainer := func(legend, name string) model.Target {
		return line("{{container}} "+legend, figure(name, catalog.PodContainer, container, here...))
	}
	ofPod := func(legend, name string) model.Target { return line(legend, figure(name, catalog.Pod, nil, here...)) }
	return &model.Dashboard{
		Name: "heapster-pods", Title: "Heapster: Pods", Description: "Heapster's own page of pods, mended.", From: "now-30m",
		Variables: []model.Variable{namespace, pod}, Links: []string{"heapster-cluster", "pod"},
		Rows: []model.Row{
			row("Individual CPU usage", wide(24, graph("CPU: $podname", ofContainer("usage", "cpu/usage_rate"), ofContainer("limit", "cpu/limit"), ofContainer("request", "cpu/request")))),
			row("Individual memory usage", wide(24, graph("Memory: $podname", ofContainer("usage", "memory/usage"), ofContainer("working set", "memory/working_set"), ofContainer("limit", "memory/limit"), ofContainer("request", "memory/request")))),
			row("Individual network usage", wide(24, graph("Network: $podname", ofPod("tx", "network/tx_rate"), ofPod("rx", "network/rx_rate")))),
			row("Filesystem usage", graph("Files: $podname", ofContainer("written", "ephemeral_storage/usage")),
				empty(nothingOnDisk, graph("Disk I/O: $podname", ofContainer("read", "disk/io_read_bytes_rate"), ofContainer("write", "disk/io_write_bytes_rate")))),
		},
	}
}
