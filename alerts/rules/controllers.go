package rules

import (
	"time"
)

// The kinds of controllers that keep a number of pods, with the names of their
// series.
var (
	theRC         = replicated{kind: "ReplicationController", label: "replicationcontroller", ready: "status_ready_replicas"}
	theReplicaSet = replicated{kind: "ReplicaSet", label: "replicaset", ready: "status_ready_replicas",
		except: ` unless on (namespace, replicaset) kube_replicaset_owner{owner_kind!="<none>"}`}
	theDeployment = replicated{kind: "Deployment", label: "deployment", ready: "status_replicas_ready"}
	theDaemonSet  = controlled("DaemonSet", "daemonset")
)

type replicated struct{ kind, label, ready, except string }

func (c replicated) series(name string) string { return "kube_" + c.label + "_" + name }

func (c replicated) by(expr string) string {
	return "max by (namespace, " + c.label + ") (" + expr + ")"
}

// lacking fires while pods lack and none becomes ready; that none at all is ready
// is another alert.
func (c replicated) lacking(name string) Rule {
	ready := c.series(c.ready)
	return Rule{
		Name: name, Of: controlled(c.kind, c.label), Says: "lacks {value} ready pods",
		Why:  "Pods cannot be created, do not fit, or do not become ready, and for ten minutes nothing has changed.",
		Expr: c.by("(" + c.series("spec_replicas") + " - " + ready + " > 0) and " + ready + " > 0 and changes(" + ready + "[10m]) == 0" + c.except),
		When: above(0), For: 15 * time.Minute, Severity: Warning,
	}
}

func (c replicated) empty(name string) Rule {
	return Rule{
		Name: name, Of: controlled(c.kind, c.label), Says: "has none of {value} pods ready",
		Why:  "What it does is not done at all.",
		Expr: c.by(c.series("spec_replicas") + " > 0 and " + c.series(c.ready) + " == 0" + c.except),
		For:  5 * time.Minute, Severity: Critical,
	}
}

func (c replicated) behind(name string) Rule {
	return Rule{
		Name: name, Of: controlled(c.kind, c.label), Says: "was changed, and its controller has not seen it",
		Why:  "Controllers stand still, or one object makes its controller fail.",
		Expr: c.by(c.series("status_observed_generation") + " != " + c.series("metadata_generation")),
		For:  15 * time.Minute, Severity: Warning,
	}
}

func controllerRules() []Rule {
	return append([]Rule{
		theRC.lacking("RCReplicasMismatch"),
		theRC.empty("RCNoPods"),
		theRC.behind("RCGenerationMismatch"),
		{
			Name: "RCRolloutStuck", Of: controlled(theRC.kind, theRC.label), Says: "is in the middle of a rolling update to {{ $labels.next }} that does not go on",
			Why: "The client that did the update has ended; both controllers keep what they have.",
			Expr: `max by (namespace, replicationcontroller, next) (lubberline_replicationcontroller_update_info)` +
				` unless on (namespace, replicationcontroller) changes(kube_replicationcontroller_spec_replicas[10m]) > 0`,
			For: 10 * time.Minute, Severity: Warning,
		},
		theReplicaSet.lacking("ReplicaSetReplicasMismatch"),
		theReplicaSet.empty("ReplicaSetNoPods"),
		theDeployment.lacking("DeploymentReplicasMismatch"),
		theDeployment.empty("DeploymentNoPods"),
		theDeployment.behind("DeploymentGenerationMismatch"),
		{
			Name: "DeploymentRolloutStuck", Of: controlled(theDeployment.kind, theDeployment.label), Says: "does not get on with its rollout",
			Why:  "New pods do not become ready within the progress deadline; the old ones go on.",
			Expr: theDeployment.by(`kube_deployment_status_condition{condition="Progressing",status="false"}`),
			When: atLeast(1), For: 5 * time.Minute, Severity: Warning,
		},
	}, daemonSetRules()...)
}

func daemonSetRules() []Rule {
	const by = "max by (namespace, daemonset) "
	return []Rule{
		{
			Name: "DaemonSetNotScheduled", Of: theDaemonSet, Says: "has no pod on {value} nodes that should have one",
			Why:  "The pod cannot be created there: a quota or the API refuses it. One that only waits for room is told of by DaemonSetRolloutStuck.",
			Expr: by + `(kube_daemonset_status_desired_number_scheduled - kube_daemonset_status_current_number_scheduled)`,
			When: above(0), For: 10 * time.Minute, Severity: Warning,
		},
		{
			Name: "DaemonSetRolloutStuck", Of: theDaemonSet, Says: "lacks {value} available pods",
			Why: "Pods of the newest template do not become available, and nothing changes.",
			Expr: by + `(kube_daemonset_status_desired_number_scheduled - kube_daemonset_status_number_available > 0` +
				` and changes(kube_daemonset_status_updated_number_scheduled[10m]) == 0 and changes(kube_daemonset_status_number_available[10m]) == 0)`,
			When: above(0), For: 15 * time.Minute, Severity: Warning,
		},
		{
			Name: "DaemonSetMisscheduled", Of: theDaemonSet, Says: "has pods on {value} nodes that should have none",
			Why:  "A node's labels or taints were changed and its pod was not taken away.",
			Expr: by + `(kube_daemonset_status_number_misscheduled)`,
			When: above(0), For: 15 * time.Minute, Severity: Warning,
		},
	}
}
