package validation

import "testing"

// goodTemplate is a template with the defaults set.
const goodTemplate = `template: {metadata: {labels: {app: web}}, spec: {restartPolicy: Always, dnsPolicy: ClusterFirst, terminationGracePeriodSeconds: 30, containers: [{name: a, image: x, imagePullPolicy: Always, terminationMessagePolicy: File}]}}`

// oddTemplate has other labels, and pods that end.
const oddTemplate = `template: {metadata: {labels: {app: other}}, spec: {restartPolicy: Never, activeDeadlineSeconds: 3, dnsPolicy: ClusterFirst, terminationGracePeriodSeconds: 30, containers: [{name: a, image: x, imagePullPolicy: Always, terminationMessagePolicy: File}]}}`

func TestReplicationControllers(t *testing.T) {
	rc := func(more string) string {
		return `{apiVersion: v1, kind: ReplicationController, metadata: {name: web, namespace: default}, ` + more + `}`
	}
	good := rc(`spec: {replicas: 2, selector: {app: web}, ` + goodTemplate + `}`)
	testCreate(t, ValidateReplicationControllerCreate, []creation{
		{"plain", good, nil},
		{"nothing", rc(`spec: {}`), []string{
			"spec.selector: Required value", "spec.replicas: Required value", "spec.template: Required value",
		}},
		{"numbers", rc(`spec: {replicas: -1, minReadySeconds: -1, selector: {app: web}, ` + goodTemplate + `}`), []string{
			"spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0",
			"spec.replicas: Invalid value: -1: must be greater than or equal to 0",
		}},
		{"template", rc(`spec: {replicas: 1, selector: {app: web}, ` + oddTemplate + `}`), []string{
			"spec.template.metadata.labels: Invalid value: {\"app\":\"other\"}: `selector` does not match template `labels`",
			`spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"`,
			"spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicationController is not Supported",
		}},
	})
	testUpdate(t, ValidateReplicationControllerUpdate, []change{{"nothing", good, good, nil}})
	testUpdate(t, ValidateReplicationControllerStatusUpdate, []change{
		{"parts", good, rc(`status: {replicas: 1, fullyLabeledReplicas: 2, readyReplicas: 2, availableReplicas: 3, observedGeneration: -1}`), []string{
			"status.observedGeneration: Invalid value: -1: must be greater than or equal to 0",
			"status.fullyLabeledReplicas: Invalid value: 2: cannot be greater than status.replicas",
			"status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas",
			"status.availableReplicas: Invalid value: 3: cannot be greater than status.replicas",
			"status.availableReplicas: Invalid value: 3: cannot be greater than readyReplicas",
		}},
	})
}

func appsOf(kind, more string) string {
	return `{apiVersion: apps/v1, kind: ` + kind + `, metadata: {name: web, namespace: default}, ` + more + `}`
}

const webSelector = `selector: {matchLabels: {app: web}}, `

func TestReplicaSets(t *testing.T) {
	good := appsOf("ReplicaSet", `spec: {`+webSelector+goodTemplate+`}`)
	testCreate(t, ValidateReplicaSetCreate, []creation{
		{"plain", good, nil},
		{"no selector", appsOf("ReplicaSet", `spec: {`+goodTemplate+`}`), []string{
			"spec.selector: Required value",
			"spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: `selector` does not match template `labels`",
		}},
		{"empty selector", appsOf("ReplicaSet", `spec: {selector: {}, `+goodTemplate+`}`), []string{
			"spec.selector: Invalid value: {}: empty selector is invalid for deployment",
		}},
		{"template", appsOf("ReplicaSet", `spec: {replicas: -1, `+webSelector+oddTemplate+`}`), []string{
			"spec.replicas: Invalid value: -1: must be greater than or equal to 0",
			"spec.template.metadata.labels: Invalid value: {\"app\":\"other\"}: `selector` does not match template `labels`",
			`spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"`,
			"spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported",
		}},
	})
	testUpdate(t, ValidateReplicaSetUpdate, []change{
		{"selector", good, appsOf("ReplicaSet", `spec: {selector: {matchExpressions: [{key: app, operator: Exists}]}, `+goodTemplate+`}`), []string{
			`spec.selector: Invalid value: {"matchExpressions":[{"key":"app","operator":"Exists"}]}: field is immutable`,
		}},
	})
	testUpdate(t, ValidateReplicaSetStatusUpdate, []change{
		{"parts", good, appsOf("ReplicaSet", `status: {replicas: 1, readyReplicas: 2, terminatingReplicas: -1}`), []string{
			"status.terminatingReplicas: Invalid value: -1: must be greater than or equal to 0",
			"status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas",
		}},
	})
}

func TestDeployments(t *testing.T) {
	rolling := func(more string) string {
		return appsOf("Deployment", `spec: {`+webSelector+`strategy: {type: RollingUpdate, rollingUpdate: `+more+`}, `+goodTemplate+`}`)
	}
	good := rolling(`{maxSurge: 25%, maxUnavailable: 25%}`)
	testCreate(t, ValidateDeploymentCreate, []creation{
		{"plain", good, nil},
		{"recreate", appsOf("Deployment", `spec: {`+webSelector+`strategy: {type: Recreate}, `+goodTemplate+`}`), nil},
		{"no progress", rolling(`{maxSurge: 0, maxUnavailable: 0%}`), []string{
			"spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when `maxSurge` is 0",
		}},
		{"parts", rolling(`{maxSurge: -1, maxUnavailable: 101%}`), []string{
			"spec.strategy.rollingUpdate.maxSurge: Invalid value: -1: must be greater than or equal to 0",
			`spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%`,
		}},
		{"recreate in steps", appsOf("Deployment", `spec: {`+webSelector+`strategy: {type: Recreate, rollingUpdate: {}}, `+goodTemplate+`}`), []string{
			"spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
		}},
		{"strategy", appsOf("Deployment", `spec: {`+webSelector+`strategy: {type: Blue}, `+goodTemplate+`}`), []string{
			`spec.strategy: Unsupported value: {"type":"Blue"}: supported values: "Recreate", "RollingUpdate"`,
		}},
		{"times", appsOf("Deployment", `spec: {minReadySeconds: 10, progressDeadlineSeconds: 10, revisionHistoryLimit: -1, `+webSelector+`strategy: {type: Recreate}, `+goodTemplate+`}`), []string{
			"spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0",
			"spec.progressDeadlineSeconds: Invalid value: 10: must be greater than minReadySeconds",
		}},
	})
	testUpdate(t, ValidateDeploymentUpdate, []change{
		{"selector", good, appsOf("Deployment", `spec: {selector: {matchLabels: {app: other}}, strategy: {type: Recreate}, `+goodTemplate+`}`), []string{
			"spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: `selector` does not match template `labels`",
			`spec.selector: Invalid value: {"matchLabels":{"app":"other"}}: field is immutable`,
		}},
	})
	testUpdate(t, ValidateDeploymentStatusUpdate, []change{
		{"collisions", appsOf("Deployment", `status: {collisionCount: 2}`), appsOf("Deployment", `status: {collisionCount: 1, updatedReplicas: 1}`), []string{
			"status.updatedReplicas: Invalid value: 1: cannot be greater than status.replicas",
			"status.collisionCount: Invalid value: 1: cannot be decremented",
		}},
	})
}

func TestDaemonSets(t *testing.T) {
	rolling := func(more string) string {
		return appsOf("DaemonSet", `spec: {`+webSelector+`updateStrategy: {type: RollingUpdate, rollingUpdate: `+more+`}, `+goodTemplate+`}`)
	}
	good := rolling(`{maxUnavailable: 1, maxSurge: 0}`)
	testCreate(t, ValidateDaemonSetCreate, []creation{
		{"plain", good, nil},
		{"both", rolling(`{maxUnavailable: 1, maxSurge: 1}`), []string{
			"spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero",
		}},
		{"neither", rolling(`{maxUnavailable: 0, maxSurge: 0}`), []string{
			"spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0",
		}},
		{"strategy", appsOf("DaemonSet", `spec: {`+webSelector+`updateStrategy: {type: Blue}, `+goodTemplate+`}`), []string{
			`spec.updateStrategy: Unsupported value: {"type":"Blue"}: supported values: "RollingUpdate", "OnDelete"`,
		}},
		{"template", appsOf("DaemonSet", `spec: {selector: {}, updateStrategy: {type: OnDelete}, `+oddTemplate+`}`), []string{
			"spec.selector: Invalid value: {}: empty selector is invalid for daemonset",
			`spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"`,
			"spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in DaemonSet is not Supported",
		}},
	})
	testUpdate(t, ValidateDaemonSetUpdate, []change{
		{"selector", good, appsOf("DaemonSet", `spec: {selector: {matchLabels: {app: web, b: c}}, updateStrategy: {type: OnDelete}, `+goodTemplate+`}`), []string{
			`spec.selector: Invalid value: {"matchLabels":{"app":"web","b":"c"}}: field is immutable`,
			"spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: `selector` does not match template `labels`",
		}},
	})
	testUpdate(t, ValidateDaemonSetStatusUpdate, []change{
		{"numbers", good, appsOf("DaemonSet", `status: {numberReady: -1, desiredNumberScheduled: -2}`), []string{
			"status.desiredNumberScheduled: Invalid value: -2: must be greater than or equal to 0",
			"status.numberReady: Invalid value: -1: must be greater than or equal to 0",
		}},
	})
}

func TestControllerRevisions(t *testing.T) {
	good := appsOf("ControllerRevision", `revision: 1, data: {a: b}`)
	testCreate(t, ValidateControllerRevisionCreate, []creation{
		{"plain", good, nil},
		{"no data", appsOf("ControllerRevision", `revision: -1`), []string{
			"revision: Invalid value: -1: must be greater than or equal to 0",
			"data: Required value: data is mandatory",
		}},
		{"no object", appsOf("ControllerRevision", `data: [a]`), []string{"data: Required value: data must be a valid JSON object"}},
	})
	testUpdate(t, ValidateControllerRevisionUpdate, []change{
		{"revision", good, appsOf("ControllerRevision", `revision: 2, data: {a: b}`), nil},
		{"data", good, appsOf("ControllerRevision", `revision: 1, data: {a: c}`), []string{
			`data: Invalid value: {"a":"c"}: field is immutable`,
		}},
	})
}
