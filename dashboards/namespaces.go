package dashboards

import (
	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/dashboards/model"
)

func namespaces() *model.Dashboard {
	chosen := chosen("namespace")
	pods := by("namespace", "pod")
	return &model.Dashboard{
		Name: "namespaces", Title: "Namespaces", Description: "What each namespace uses, asked for and may have, and its pods.",
		Variables:   []model.Variable{several(namespaceVariable())},
		Links:       []string{"cluster", "workloads", "logs", "events", "capacity"},
		Annotations: marks(only(fieldNamespace, "namespace")),
		Rows: []model.Row{
			row("Namespaces",
				table("Use and requests", []model.Column{column("namespace", "Namespace", nil)},
					cell("CPU used", figure("cpu/usage_rate", catalog.Namespace, by("namespace"), chosen...)),
					cell("CPU requested", figure("cpu/request", catalog.Namespace, by("namespace"), chosen...)),
					cell("CPU limit", figure("cpu/limit", catalog.Namespace, by("namespace"), chosen...)),
					cell("Memory used", figure("memory/usage", catalog.Namespace, by("namespace"), chosen...)),
					cell("Memory requested", figure("memory/request", catalog.Namespace, by("namespace"), chosen...)),
					cell("Memory limit", figure("memory/limit", catalog.Namespace, by("namespace"), chosen...))),
				help("Pods that run.", steps(none(), wide(8, stat("Pods", count(figure("uptime", catalog.Pod, nil, chosen...)))))),
				help("Times that containers of pods were restarted in the last hour.", steps(bad(), wide(8, stat("Restarts in an hour", expr(`ceil(sum(increase(kube_pod_container_status_restarts_total{namespace=~"$namespace"}[1h]))) or vector(0)`))))),
				help("Containers that do not start, for a reason that somebody has to mend.", steps(bad(), wide(8, empty("no pod is in trouble", noValue("0", stat("Containers that wait for a bad reason",
					sum("kube_pod_container_status_waiting_reason", nil, append(chosen, like("reason", "CrashLoopBackOff|ImagePullBackOff|ErrImagePull|CreateContainerConfigError|CreateContainerError"))...)))))))),
			row("By pod",
				drill(*toPod(), stacked("CPU by pod", line("{{namespace}}/{{pod}}", figure("cpu/usage_rate", catalog.Pod, pods, chosen...)))),
				drill(*toPod(), stacked("Memory by pod", line("{{namespace}}/{{pod}}", figure("memory/working_set", catalog.Pod, pods, chosen...)))),
				drill(*toPod(), stacked("Received by pod", line("{{namespace}}/{{pod}}", figure("network/rx_rate", catalog.Pod, pods, chosen...)))),
				drill(*toPod(), stacked("Transmitted by pod", line("{{namespace}}/{{pod}}", figure("network/tx_rate", catalog.Pod, pods, chosen...)))),
				sorted("CPU used", table("Pods", []model.Column{column("namespace", "Namespace", nil), column("pod", "Pod", toPod())},
					cell("CPU used", figure("cpu/usage_rate", catalog.Pod, pods, chosen...)),
					cell("CPU requested", figure("cpu/request", catalog.Pod, pods, chosen...)),
					cell("Memory used", figure("memory/working_set", catalog.Pod, pods, chosen...)),
					cell("Memory requested", figure("memory/request", catalog.Pod, pods, chosen...)),
					cell("Memory limit", figure("memory/limit", catalog.Pod, pods, chosen...)),
					cell("Up", figure("uptime", catalog.Pod, pods, chosen...))))),
			row("Pods and quotas",
				help("How many pods are in each phase.", stacked("Pods by phase", line("{{phase}}", sum("kube_pod_status_phase", by("phase"), chosen...)))),
				empty("no namespace has a quota", wide(12, table("Quotas", []model.Column{
					column("namespace", "Namespace", nil), column("resourcequota", "Quota", nil), column("resource", "Resource", nil)},
					cell("Used", sum("kube_resourcequota", by("namespace", "resourcequota", "resource"), append(chosen, is("type", "used"))...)),
					cell("Limit", sum("kube_resourcequota", by("namespace", "resourcequota", "resource"), append(chosen, is("type", "hard"))...)))))),
			row("Logs", wide(24, volume("Records by namespace", all(notEvents, only(fieldNamespace, "namespace")), fieldNamespace))),
		},
	}
}
