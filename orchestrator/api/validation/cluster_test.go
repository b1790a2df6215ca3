package validation

import "testing"

func TestNamespaces(t *testing.T) {
	testCreate(t, ValidateNamespaceCreate, []creation{
		{"plain", `{apiVersion: v1, kind: Namespace, metadata: {name: a}, spec: {finalizers: [kubernetes, example.com/own]}}`, nil},
		{"name", `{apiVersion: v1, kind: Namespace, metadata: {name: a.b}}`, []string{
			`metadata.name: Invalid value: "a.b": must not contain dots`,
		}},
		{"finalizer", `{apiVersion: v1, kind: Namespace, metadata: {name: a}, spec: {finalizers: [mine]}}`, []string{
			`spec.finalizers: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified`,
		}},
	})
	active := `{apiVersion: v1, kind: Namespace, metadata: {name: a}, status: {phase: Active}}`
	going := `{apiVersion: v1, kind: Namespace, metadata: {name: a, deletionTimestamp: "2026-01-01T00:00:00Z"}, status: {phase: Terminating}}`
	testUpdate(t, ValidateNamespaceStatusUpdate, []change{
		{"active", active, active, nil},
		{"going", going, going, nil},
		{"too early", active, `{apiVersion: v1, kind: Namespace, metadata: {name: a}, status: {phase: Terminating}}`, []string{
			"status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty",
		}},
		{"back", going, `{apiVersion: v1, kind: Namespace, metadata: {name: a, deletionTimestamp: "2026-01-01T00:00:00Z"}, status: {phase: Active}}`, []string{
			"status.Phase: Invalid value: \"Active\": may only be 'Terminating' if `deletionTimestamp` is not empty",
		}},
	})
	testUpdate(t, ValidateNamespaceFinalizeUpdate, []change{
		{"finalizer", active, `{apiVersion: v1, kind: Namespace, metadata: {name: a}, spec: {finalizers: [kubernetes, mine]}}`, []string{
			`spec.finalizers[1]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified`,
		}},
	})
	testUpdate(t, ValidateNamespaceUpdate, []change{{"nothing", active, active, nil}})
}

func nodeOf(more string) string {
	return `{apiVersion: v1, kind: Node, metadata: {name: node}, ` + more + `}`
}

func TestNodeCreate(t *testing.T) {
	testCreate(t, ValidateNodeCreate, []creation{
		{"plain", nodeOf(`spec: {podCIDRs: [10.244.0.0/24]}, status: {capacity: {cpu: "4", pods: "110"}}`), nil},
		{"taints", nodeOf(`spec: {taints: [{key: "", effect: NoSchedule}, {key: a, value: "-", effect: Never}, {key: b}, {key: c, effect: NoExecute}, {key: c, value: x, effect: NoExecute}]}`), []string{
			"metadata.taints[0].key: Invalid value: \"\": name part must be non-empty",
			`metadata.taints[0].key: Invalid value: "": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
			`metadata.taints[1].value: Invalid value: "-": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`,
			`metadata.taints[1].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"`,
			"metadata.taints[2].effect: Required value",
			`metadata.taints[4]: Duplicate value: {"key":"c","value":"x","effect":"NoExecute"}: taints must be unique by key and effect pair`,
		}},
		{"resources", nodeOf(`status: {capacity: {pods: 1500m, memory: "-1"}, allocatable: {example.com/gpu: 500m}}`), []string{
			`status.capacity.memory: Invalid value: "-1": must be greater than or equal to 0`,
			`status.capacity.pods: Invalid value: "1500m": must be an integer`,
			`status.allocatable.example.com/gpu: Invalid value: "500m": must be an integer`,
		}},
		{"ranges", nodeOf(`spec: {podCIDRs: [10.244.0.0, 10.245.0.0/24]}`), []string{
			`spec.podCIDRs[0]: Invalid value: "10.244.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)`,
			`spec.podCIDRs: Invalid value: ["10.244.0.0","10.245.0.0/24"]: may specify no more than one CIDR for each IP family`,
		}},
	})
}

func TestNodeUpdate(t *testing.T) {
	testUpdate(t, ValidateNodeUpdate, []change{
		{"first range", nodeOf(``), nodeOf(`spec: {podCIDRs: [10.244.0.0/24], providerID: a}`), nil},
		{"other range", nodeOf(`spec: {podCIDRs: [10.244.0.0/24], providerID: a}`), nodeOf(`spec: {podCIDRs: [10.245.0.0/24], providerID: b}`), []string{
			`spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid`,
			`spec.providerID: Forbidden: node updates may not change providerID except from "" to valid`,
		}},
		{"address twice", nodeOf(``), nodeOf(`status: {addresses: [{type: InternalIP, address: 10.0.0.1}, {type: InternalIP, address: 10.0.0.1}]}`), []string{
			`status.addresses[1]: Duplicate value: {"type":"InternalIP","address":"10.0.0.1"}`,
		}},
	})
}

func TestLeases(t *testing.T) {
	lease := func(spec string) string {
		return `{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: a, namespace: default}, spec: ` + spec + `}`
	}
	testCreate(t, ValidateLeaseCreate, []creation{
		{"plain", lease(`{holderIdentity: a, leaseDurationSeconds: 40}`), nil},
		{"numbers", lease(`{leaseDurationSeconds: 0, leaseTransitions: -1, preferredHolder: b}`), []string{
			"spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
			"spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
			"spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined",
		}},
		{"strategy", lease(`{strategy: Newest}`), []string{
			`spec.strategy.strategy: Unsupported value: "Newest": supported values: "OldestEmulationVersion"`,
		}},
	})
	testUpdate(t, ValidateLeaseUpdate, []change{{"holder", lease(`{holderIdentity: a}`), lease(`{holderIdentity: b}`), nil}})
}

func TestPriorityClasses(t *testing.T) {
	class := func(name, more string) string {
		return `{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: ` + name + `}, ` + more + `}`
	}
	const reserved = "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: "
	testCreate(t, ValidatePriorityClassCreate, []creation{
		{"plain", class("a", `value: 1000000000, preemptionPolicy: Never`), nil},
		{"system's", class("system-node-critical", `value: 2000001000`), nil},
		{"too high", class("a", `value: 1000000001`), []string{"value: Forbidden: maximum allowed value of a user defined priority is 1000000000"}},
		{"as if system's", class("system-a", `value: 1`), []string{reserved + "system-a is not a known system priority class"}},
		{"system's of another value", class("system-cluster-critical", `value: 1`), []string{reserved + "value of system-cluster-critical PriorityClass must be 2000000000"}},
		{"policy", class("a", `preemptionPolicy: Sometimes`), []string{
			`preemptionPolicy: Unsupported value: "Sometimes": supported values: "Never", "PreemptLowerPriority"`,
		}},
	})
	testUpdate(t, ValidatePriorityClassUpdate, []change{
		{"description", class("a", `value: 1`), class("a", `value: 1, description: x`), nil},
		{"value", class("a", `value: 1`), class("a", `value: 2, preemptionPolicy: Never`), []string{
			"value: Forbidden: may not be changed in an update.",
			`preemptionPolicy: Invalid value: "Never": field is immutable`,
		}},
	})
}
