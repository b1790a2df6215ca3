package dashboards

import (
	"fmt"

	"github.com/lubberline/lubberline/dashboards/model"
)

func workloads() *model.Dashboard {
	here := chosen("namespace")
	rc := by("namespace", "replicationcontroller")
	deployment := by("namespace", "deployment")
	return &model.Dashboard{
		Name: "workloads", Title: "Replication controllers and deployments",
		Description: "Whether controllers have the pods they are to have, what those use, and what changed.",
		Variables:   []model.Variable{several(namespaceVariable())},
		Links:       []string{"cluster", "namespaces", "pod", "events", "logs"},
		Annotations: marks(only(fieldNamespace, "namespace")),
		Rows: []model.Row{
			row("Replication controllers",
				wide(24, empty("there is no ReplicationController", table("Replication controllers", []model.Column{column("namespace", "Namespace", toNamespace()), column("replicationcontroller", "Name", nil)},
					cell("Wanted", sum("kube_replicationcontroller_spec_replicas", rc, here...)),
					cell("There are", sum("kube_replicationcontroller_status_replicas", rc, here...)),
					cell("Ready", sum("kube_replicationcontroller_status_ready_replicas", rc, here...)),
					cell("Available", sum("kube_replicationcontroller_status_available_replicas", rc, here...))))),
				empty("there is no ReplicationController", graph("Pods ready", line("{{namespace}}/{{replicationcontroller}}", sum("kube_replicationcontroller_status_ready_replicas", rc, here...)))),
				empty("there is no ReplicationController", graph("Pods missing", line("{{namespace}}/{{replicationcontroller}}",
					expr(`clamp_min(sum by (namespace, replicationcontroller) (kube_replicationcontroller_spec_replicas{namespace=~"$namespace"}) - sum by (namespace, replicationcontroller) (kube_replicationcontroller_status_ready_replicas{namespace=~"$namespace"}), 0)`))))),
			row("Deployments",
				wide(24, empty("there is no Deployment", table("Deployments", []model.Column{column("namespace", "Namespace", toNamespace()), column("deployment", "Name", nil)},
					cell("Wanted", sum("kube_deployment_spec_replicas", deployment, here...)),
					cell("Updated", sum("kube_deployment_status_replicas_updated", deployment, here...)),
					cell("Ready", sum("kube_deployment_status_replicas_ready", deployment, here...)),
					cell("Available", sum("kube_deployment_status_replicas_available", deployment, here...)),
					cell("Unavailable", sum("kube_deployment_status_replicas_unavailable", deployment, here...))))),
				empty("there is no Deployment", graph("Pods of the newest template", line("{{namespace}}/{{deployment}}", sum("kube_deployment_status_replicas_updated", deployment, here...)))),
				help("Whether the Deployment has as many pods as it must have at least.", sized(12, 8, empty("there is no Deployment", states("Available", yesNo("available", "not available"), line("{{namespace}}/{{deployment}}",
					sum("kube_deployment_status_condition", deployment, and(here, is("condition", "Available"), is("status", "true"))...))))))),
			row("What their pods use",
				unit(model.Cores, stacked("CPU by controller", line("{{namespace}}/{{controller}}", expr(ofController(`rate(container_cpu_usage_seconds_total{namespace=~"$namespace",container!=""}[$__rate_interval])`))))),
				unit(model.Bytes, stacked("Memory by controller", line("{{namespace}}/{{controller}}", expr(ofController(`container_memory_working_set_bytes{namespace=~"$namespace",container!=""}`))))),
				unit(model.Number, graph("Restarts by controller in 10 minutes", line("{{namespace}}/{{controller}}", expr(ofController(`increase(kube_pod_container_status_restarts_total{namespace=~"$namespace"}[10m])`))))),
				empty("there is no DaemonSet", wide(12, table("Daemon sets", []model.Column{column("namespace", "Namespace", toNamespace()), column("daemonset", "Name", nil)},
					cell("Wanted", sum("kube_daemonset_status_desired_number_scheduled", by("namespace", "daemonset"), here...)),
					cell("Ready", sum("kube_daemonset_status_number_ready", by("namespace", "daemonset"), here...)),
					cell("Unavailable", sum("kube_daemonset_status_number_unavailable", by("namespace", "daemonset"), here...)))))),
			row("What happened", empty("nothing happened to a controller", records("Events of controllers",
				all(events, only("object_namespace", "namespace"), "object_kind:(ReplicationController OR Deployment OR ReplicaSet OR DaemonSet OR StatefulSet OR Job)")))),
		},
	}
}

// ofController adds up what belongs to the pods of a controller.
func ofController(series string) string {
	return fmt.Sprintf(`sum by (namespace, controller) (sum by (namespace, pod) (%s) * on (namespace, pod) group_left (controller) max by (namespace, pod, controller) (lubberline_pod_info{controller!=""}))`, series)
}
