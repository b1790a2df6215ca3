package dashboards

import (
	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/dashboards/model"
)

func network() *model.Dashboard {
	here := chosen("namespace")
	pods := by("namespace", "pod")
	dropped := func(kind, metric string) model.Target {
		return line(kind+", {{namespace}}", rate(metric, by("namespace"), here...))
	}
	return &model.Dashboard{
		Name: "network", Title: "Network and services", Description: "Who sends and receives how much, what is lost, and which services there are.",
		Variables:   []model.Variable{several(namespaceVariable())},
		Links:       []string{"cluster", "namespaces", "pod", "node", "lubberline"},
		Annotations: marks(only(fieldNamespace, "namespace")),
		Rows: []model.Row{
			row("Traffic",
				drill(*toNamespace(), stacked("Received, by namespace", line("{{namespace}}", figure("network/rx_rate", catalog.Pod, by("namespace"), here...)))),
				drill(*toNamespace(), stacked("Transmitted, by namespace", line("{{namespace}}", figure("network/tx_rate", catalog.Pod, by("namespace"), here...)))),
				drill(*toPod(), graph("Received, by pod", line("{{namespace}}/{{pod}}", figure("network/rx_rate", catalog.Pod, pods, here...)))),
				drill(*toPod(), graph("Transmitted, by pod", line("{{namespace}}/{{pod}}", figure("network/tx_rate", catalog.Pod, pods, here...)))),
				sorted("Received", table("Pods", []model.Column{column("namespace", "Namespace", toNamespace()), column("pod", "Pod", toPod())},
					cell("Received", figure("network/rx_rate", catalog.Pod, pods, here...)), cell("Transmitted", figure("network/tx_rate", catalog.Pod, pods, here...)),
					cell("Receive errors", figure("network/rx_errors_rate", catalog.Pod, pods, here...)), cell("Transmit errors", figure("network/tx_errors_rate", catalog.Pod, pods, here...))))),
			row("Packets",
				unit(model.Packets, graph("Packets", dropped("received", "container_network_receive_packets_total"), dropped("transmitted", "container_network_transmit_packets_total"))),
				unit(model.Packets, graph("Packets dropped", dropped("received", "container_network_receive_packets_dropped_total"), dropped("transmitted", "container_network_transmit_packets_dropped_total")))),
			row("Services",
				wide(12, empty("there is no cluster", table("Services", []model.Column{column("namespace", "Namespace", toNamespace()), column("service", "Service", nil), column("cluster_ip", "Address", nil), column("type", "Type", nil)},
					in(model.Moment, cell("Made", expr(`1000 * sum by (namespace, service, cluster_ip, type) (kube_service_created{namespace=~"$namespace"} * on (namespace, service) group_left (cluster_ip) kube_service_info * on (namespace, service) group_left (type) kube_service_spec_type)`)))))),
				sized(12, 9, empty("this is no node of Lubberline's own cluster", unit(model.PerSecond, graph("Names asked for", line("{{rcode}}", rate("lubberline_dns_queries_total", by("rcode"))))))),
				empty("this is no node of Lubberline's own cluster", graph("Changes of the kernel's table of services", line("{{result}}", rate("lubberline_proxy_transactions_total", by("result"))))),
				graph("Connections tracked", line("{{node}}", sum("node_nf_conntrack_entries", by("node"))), limit("most, {{node}}", sum("node_nf_conntrack_entries_limit", by("node"))))),
			row("Where pods run", whereGraph()),
		},
	}
}

// whereGraph draws controllers and the nodes that their pods run on. Grafana
// takes the labels id, title, mainstat, source and target from the answers.
func whereGraph() model.Panel {
	const info = `lubberline_pod_info{namespace=~"$namespace",node!=""}`
	const owner = `label_join(` + info + `, "controller_id", "/", "namespace", "controller_kind", "controller")`
	nodes := `count_values by (id, title, subtitle) ("mainstat", count by (id, title, subtitle) (label_replace(label_replace(label_replace(` + owner +
		`, "id", "$1", "controller_id", "(.*)"), "title", "$1", "controller", "(.*)"), "subtitle", "$1", "namespace", "(.*)")))` +
		` or count_values by (id, title, subtitle) ("mainstat", count by (id, title, subtitle) (label_replace(label_replace(label_replace(` + info +
		`, "id", "node/$1", "node", "(.*)"), "title", "$1", "node", "(.*)"), "subtitle", "node", "node", ".*")))`
	edges := `count_values by (id, source, target) ("mainstat", count by (id, source, target) (label_join(label_replace(label_replace(` + owner +
		`, "source", "$1", "controller_id", "(.*)"), "target", "node/$1", "node", "(.*)"), "id", ">", "source", "target")))`
	return about("Controllers, the nodes their pods run on, and how many.", model.Panel{
		Kind: model.NodeGraph, Title: "Controllers and nodes", Empty: "there is no cluster", Instant: true,
		Targets: []model.Target{line("nodes", expr(nodes)), line("edges", expr(edges))},
	})
}
