package dashboards

import (
	"math"

	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/dashboards/model"
)

func capacity() *model.Dashboard {
	here := chosen("node")
	return &model.Dashboard{
		Name: "capacity", Title: "Capacity", Description: "What is requested, used and allocatable, and in how many days something is full.", From: "now-24h", Refresh: "1m",
		Variables:   []model.Variable{several(nodeVariable()), several(namespaceVariable())},
		Links:       []string{"cluster", "namespaces", "node"},
		Annotations: marks(),
		Rows: []model.Row{
			row("CPU and memory", room("CPU", "cpu", "cpu/usage_rate", here), room("Memory", "memory", "memory/working_set", here),
				help("CPU that pods are guaranteed, as a share of what the node offers to pods.", gauge("CPU requested", over(figure("cpu/request", catalog.Node, nil, here...), figure("cpu/node_allocatable", catalog.Node, nil, here...)))),
				help("CPU in use, as a share of what the node offers to pods.", gauge("CPU used", over(figure("cpu/usage_rate", catalog.Node, nil, here...), figure("cpu/node_allocatable", catalog.Node, nil, here...)))),
				help("Memory that pods are guaranteed, as a share of what the node offers to pods.", gauge("Memory requested", over(figure("memory/request", catalog.Node, nil, here...), figure("memory/node_allocatable", catalog.Node, nil, here...)))),
				help("Memory charged less inactive file pages, as a share of what the node offers to pods.", gauge("Memory used", over(figure("memory/working_set", catalog.Node, nil, here...), figure("memory/node_allocatable", catalog.Node, nil, here...)))),
				help("Pods of the node, as a share of the most it takes.", empty("there is no cluster", gauge("Room for pods taken", over(expr(`count(kube_pod_info{node=~"$node"})`), expr(`sum(kube_node_status_allocatable{resource="pods",node=~"$node"})`))))),
				wide(24, table("By node", []model.Column{column("node", "Node", toNode())},
					cell("CPU allocatable", figure("cpu/node_allocatable", catalog.Node, by("node"), here...)),
					cell("CPU requested", figure("cpu/request", catalog.Node, by("node"), here...)),
					cell("CPU used", figure("cpu/usage_rate", catalog.Node, by("node"), here...)),
					cell("Memory allocatable", figure("memory/node_allocatable", catalog.Node, by("node"), here...)),
					cell("Memory requested", figure("memory/request", catalog.Node, by("node"), here...)),
					cell("Memory used", figure("memory/working_set", catalog.Node, by("node"), here...))))),
			row("Days until full",
				empty("no filesystem grows", wide(12, days("Filesystems", line("{{node}} {{mountpoint}}", expr(untilFull("node_filesystem_avail_bytes")))))),
				empty("no filesystem uses up its inodes", wide(12, days("Inodes", line("{{node}} {{mountpoint}}", expr(untilFull("node_filesystem_files_free")))))),
				empty("memory use does not grow", wide(12, days("Memory", line("{{node}}",
					expr(`sum by (node) (node_memory_MemAvailable_bytes{node=~"$node"}) / (sum by (node) (-deriv(node_memory_MemAvailable_bytes{node=~"$node"}[6h])) > 0) / 86400`))))),
				graph("Filesystems free", line("{{node}} {{mountpoint}}", sum("node_filesystem_avail_bytes", by("node", "mountpoint"), and(here, realFilesystem)...)))),
			row("Quotas and volumes",
				empty("no namespace has a quota", wide(12, help("What is used of each resource of a quota, as a share of its limit.", shares("Quotas used", line("{{namespace}} {{resourcequota}} {{resource}}", quotaUsed()))))),
				empty("there is no PersistentVolume", wide(12, table("Volumes", []model.Column{column("persistentvolume", "Volume", nil)},
					cell("Size", sum("kube_persistentvolume_capacity_bytes", by("persistentvolume"))))))),
		},
	}
}

// room draws what is used and requested, and what there is as dashes.
func room(title, resource, usage string, where []model.Match) model.Panel {
	return graph(title, line("used", figure(usage, catalog.Node, nil, where...)), line("requested", figure(resource+"/request", catalog.Node, nil, where...)),
		limit("allocatable", figure(resource+"/node_allocatable", catalog.Node, nil, where...)), limit("capacity", figure(resource+"/node_capacity", catalog.Node, nil, where...)))
}

// untilFull is in how many days what is left is used up.
func untilFull(metric string) string {
	series := metric + `{node=~"$node",fstype!~"` + realFilesystem.Value + `"}`
	return `min by (node, mountpoint) (` + series + ` / (-deriv(` + series + `[6h]) > 0) / 86400)`
}

// days draws in how many days something is full, by the growth of the last six
// hours.
func days(title string, t model.Target) model.Panel {
	p := bars(title, t)
	p.Description = "By the growth of the last six hours; what does not grow is not listed."
	p.Unit, p.Steps = model.Days, []model.Step{{At: math.Inf(-1), Color: "red"}, {At: 3, Color: "orange"}, {At: 14, Color: "green"}}
	return p
}

func shares(title string, t model.Target) model.Panel {
	p := bars(title, t)
	p.Unit, p.Max, p.Steps = model.Share, new(1.0), full()
	return p
}

func quotaUsed() model.Query {
	quota := func(kind string) model.Query {
		return sum("kube_resourcequota", by("namespace", "resourcequota", "resource"), and(chosen("namespace"), is("type", kind))...)
	}
	return over(quota("used"), above(0, quota("hard")))
}
