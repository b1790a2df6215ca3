package rules

import (
	"time"

	"github.com/lubberline/lubberline/catalog"
)

func capacityRules() []Rule {
	const (
		// what waits for a node takes no room: PodUnschedulable tells of it
		requested   = `sum by (resource) (kube_pod_container_resource_requests{resource=~"cpu|memory",node!=""} and ` + live + `)`
		allocatable = `sum by (resource) (kube_node_status_allocatable{resource=~"cpu|memory"})`
		largest     = `max by (resource) (kube_node_status_allocatable{resource=~"cpu|memory"})`
		used        = `kube_resourcequota{type="used"} / ignoring (type) (kube_resourcequota{type="hard"} > 0)`
	)
	quota := func(resource, of string) string {
		return `label_replace(sum(max by (namespace) (kube_resourcequota{type="hard",resource=~"` + resource + `|requests.` + resource + `"}))` +
			` / sum(kube_node_status_allocatable{resource="` + resource + `"}), "resource", "` + of + `", "", "")`
	}
	return []Rule{
		{
			Name: "ClusterAlmostFull", Of: theRoom, Says: "has {value} of its {{ $labels.resource }} requested", Unit: catalog.Ratio,
			Why:  "The next pods will fit no node, whatever is really used.",
			Expr: requested + " / " + allocatable,
			When: above(0.9), For: 15 * time.Minute, Severity: Warning,
			Heapster: figure(catalog.Node, "cpu/node_reservation").of(&aNode).says("has {value} of its CPU requested", catalog.Ratio),
		},
		{
			Name: "ClusterOvercommit", Of: theRoom, Says: "would have {value} of its {{ $labels.resource }} requested without its largest node", Unit: catalog.Ratio,
			Why:  "When that node is lost, not all of its pods find another.",
			Expr: requested + " / (" + allocatable + " - " + largest + " > 0)",
			When: above(1), For: 10 * time.Minute, Severity: Info,
		},
		{
			Name: "QuotasOvercommit", Of: theRoom, Says: "has promised {value} of its {{ $labels.resource }} to namespaces by quotas", Unit: catalog.Ratio,
			Why:  "Namespaces will find no room although their quotas are not used up.",
			Expr: quota("cpu", "cpu") + " or " + quota("memory", "memory"),
			When: above(1.5), For: 15 * time.Minute, Severity: Info,
		},
		{
			Name: "QuotaAlmostFull", Of: aQuota, Says: "has {value} of its {{ $labels.resource }} used", Unit: catalog.Ratio,
			Why:  "At 100 % new objects are refused; controllers then lack pods without any pod to look at.",
			Expr: "max by (namespace, resourcequota, resource) (" + used + " <= 1)",
			When: above(0.9), For: 15 * time.Minute, Severity: Info,
		},
		{
			Name: "QuotaExceeded", Of: aQuota, Says: "has {value} of its {{ $labels.resource }} used", Unit: catalog.Ratio,
			Why:  "The quota was made smaller than what is used: nothing of what ends can be replaced.",
			Expr: "max by (namespace, resourcequota, resource) (" + used + ")",
			When: above(1), For: 15 * time.Minute, Severity: Warning,
		},
	}
}
