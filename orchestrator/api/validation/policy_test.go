package validation

import "testing"

func TestPodDisruptionBudgets(t *testing.T) {
	budget := func(spec string) string {
		return `{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: a, namespace: default}, ` + spec + `}`
	}
	testCreate(t, ValidatePodDisruptionBudgetCreate, []creation{
		{"number", budget(`spec: {minAvailable: 2, selector: {matchLabels: {a: b}}}`), nil},
		{"part", budget(`spec: {maxUnavailable: 30%}`), nil},
		{"too much", budget(`spec: {minAvailable: 130%, unhealthyPodEvictionPolicy: Never}`), []string{
			`spec.minAvailable: Invalid value: "130%": must not be greater than 100%`,
			`spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": supported values: "AlwaysAllow", "IfHealthyBudget"`,
		}},
		{"no number", budget(`spec: {minAvailable: -1}`), []string{"spec.minAvailable: Invalid value: -1: must be greater than or equal to 0"}},
		{"no part", budget(`spec: {maxUnavailable: many}`), []string{
			`spec.maxUnavailable: Invalid value: "many": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')`,
		}},
	})
	testUpdate(t, ValidatePodDisruptionBudgetStatusUpdate, []change{
		{"numbers", budget(`spec: {}`), budget(`status: {disruptionsAllowed: -1, currentHealthy: -1, desiredHealthy: -1, expectedPods: -1}`), []string{
			"status.disruptionsAllowed: Invalid value: -1: must be greater than or equal to 0",
			"status.currentHealthy: Invalid value: -1: must be greater than or equal to 0",
			"status.desiredHealthy: Invalid value: -1: must be greater than or equal to 0",
			"status.expectedPods: Invalid value: -1: must be greater than or equal to 0",
		}},
	})
	testUpdate(t, ValidatePodDisruptionBudgetUpdate, []change{{"spec", budget(`spec: {minAvailable: 1}`), budget(`spec: {minAvailable: 2}`), nil}})
}

func quotaOf(spec string) string {
	return `{apiVersion: v1, kind: ResourceQuota, metadata: {name: a, namespace: default}, ` + spec + `}`
}

func TestResourceQuotaCreate(t *testing.T) {
	testCreate(t, ValidateResourceQuotaCreate, []creation{
		{"plain", quotaOf(`spec: {hard: {pods: "10", requests.cpu: "2", limits.memory: 1Gi, count/deployments.apps: "3", example.com/gpu: "1"}}`), nil},
		{"names and numbers", quotaOf(`spec: {hard: {pods: 1500m, nonsense: "1", storage: "1", requests.cpu: "-1"}}`), []string{
			`spec.hard[nonsense]: Invalid value: "nonsense": must be a standard resource type or fully qualified`,
			`spec.hard[nonsense]: Invalid value: "nonsense": must be a standard resource for quota`,
			`spec.hard[pods]: Invalid value: "1500m": must be an integer`,
			`spec.hard[requests.cpu]: Invalid value: "-1": must be greater than or equal to 0`,
			`spec.hard[storage]: Invalid value: "storage": must be a standard resource for quota`,
		}},
		{"scopes", quotaOf(`spec: {scopes: [BestEffort, NotBestEffort, Odd], hard: {pods: "1"}}`), []string{
			`spec.scopes: Invalid value: ["BestEffort","NotBestEffort","Odd"]: unsupported scope`,
			`spec.scopes: Invalid value: ["BestEffort","NotBestEffort","Odd"]: conflicting scopes`,
		}},
		{"scope of resource", quotaOf(`spec: {scopes: [BestEffort], hard: {pods: "1", cpu: "1"}}`), []string{
			`spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource`,
		}},
		{"selector", quotaOf(`spec: {hard: {pods: "1"}, scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: In}, {scopeName: Terminating, operator: In, values: [a]}, {scopeName: PriorityClass, operator: Exists, values: [a]}, {scopeName: PriorityClass, operator: Like}]}}`), []string{
			"spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
			`spec.scopeSelector.matchExpressions.operator: Invalid value: "In": must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity`,
			"spec.scopeSelector.matchExpressions.values: Invalid value: [\"a\"]: must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
			`spec.scopeSelector.matchExpressions.operator: Invalid value: "Like": not a valid selector operator`,
		}},
	})
}

func TestResourceQuotaUpdate(t *testing.T) {
	testUpdate(t, ValidateResourceQuotaUpdate, []change{
		{"more", quotaOf(`spec: {hard: {pods: "1"}}`), quotaOf(`spec: {hard: {pods: "2"}}`), nil},
		{"scopes", quotaOf(`spec: {hard: {pods: "1"}}`), quotaOf(`spec: {scopes: [Terminating], hard: {pods: "1"}}`), []string{
			`spec.scopes: Invalid value: ["Terminating"]: field is immutable`,
		}},
	})
	testUpdate(t, ValidateResourceQuotaStatusUpdate, []change{
		{"status", quotaOf(`spec: {}`), quotaOf(`status: {hard: {pods: "1"}, used: {pods: "-1", odd: "1"}}`), []string{
			`status.used[odd]: Invalid value: "odd": must be a standard resource type or fully qualified`,
			`status.used[odd]: Invalid value: "odd": must be a standard resource for quota`,
			`status.used[pods]: Invalid value: "-1": must be greater than or equal to 0`,
		}},
	})
}

func TestLimitRanges(t *testing.T) {
	limits := func(items string) string {
		return `{apiVersion: v1, kind: LimitRange, metadata: {name: a, namespace: default}, spec: {limits: [` + items + `]}}`
	}
	testCreate(t, ValidateLimitRangeCreate, []creation{
		{"plain", limits(`{type: Container, min: {cpu: 100m}, defaultRequest: {cpu: 200m}, default: {cpu: 300m}, max: {cpu: 400m}, maxLimitRequestRatio: {cpu: "3"}}, {type: PersistentVolumeClaim, min: {storage: 1Gi}}`), nil},
		{"twice and unknown", limits(`{type: Pod}, {type: Pod}, {type: Node}, {type: example.com/own}`), []string{
			`spec.limits[1].type: Duplicate value: "Pod"`,
			`spec.limits[2].type: Invalid value: "Node": must be a standard limit type or fully qualified`,
		}},
		{"pods have no defaults", limits(`{type: Pod, default: {cpu: "1"}, defaultRequest: {cpu: "1"}}`), []string{
			"spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'",
			"spec.limits[0].defaultRequest: Forbidden: may not be specified when `type` is 'Pod'",
		}},
		{"order", limits(`{type: Container, max: {cpu: 100m}, defaultRequest: {cpu: 200m}, default: {cpu: 150m}, min: {cpu: 250m}}`), []string{
			`spec.limits[0].min[cpu]: Invalid value: "250m": min value 250m is greater than max value 100m`,
			`spec.limits[0].defaultRequest[cpu]: Invalid value: "200m": min value 250m is greater than default request value 200m`,
			`spec.limits[0].defaultRequest[cpu]: Invalid value: "200m": default request value 200m is greater than max value 100m`,
			`spec.limits[0].defaultRequest[cpu]: Invalid value: "200m": default request value 200m is greater than default limit value 150m`,
			`spec.limits[0].default[cpu]: Invalid value: "250m": min value 250m is greater than default value 150m`,
			`spec.limits[0].default[cpu]: Invalid value: "100m": default value 150m is greater than max value 100m`,
		}},
		{"ratio", limits(`{type: Container, min: {cpu: 100m}, max: {cpu: 200m}, maxLimitRequestRatio: {cpu: "3", memory: 500m}}`), []string{
			`spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "3": ratio 3 is greater than max/min = 2.000000`,
			`spec.limits[0].maxLimitRequestRatio[memory]: Invalid value: "500m": ratio 500m is less than 1`,
		}},
		{"claims need storage", limits(`{type: PersistentVolumeClaim}`), []string{
			"spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided",
		}},
		{"names", limits(`{type: Container, max: {storage: 1Gi}}`), []string{
			`spec.limits[0].max[storage]: Invalid value: "storage": must be a standard resource for containers`,
		}},
		{"no overcommit", limits(`{type: Container, defaultRequest: {example.com/gpu: "1"}, default: {example.com/gpu: "2"}}`), []string{
			`spec.limits[0].defaultRequest[example.com/gpu]: Invalid value: "1": default value 2 must equal to defaultRequest value 1 in example.com/gpu`,
		}},
	})
	plain := limits(`{type: Pod, max: {cpu: "1"}}`)
	testUpdate(t, ValidateLimitRangeUpdate, []change{{"nothing", plain, plain, nil}})
}

func TestRoles(t *testing.T) {
	role := func(rules string) string {
		return `{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: "a:b", namespace: default}, rules: [` + rules + `]}`
	}
	testCreate(t, ValidateRoleCreate, []creation{
		{"plain", role(`{apiGroups: [""], resources: [pods], verbs: [get]}`), nil},
		{"nothing said", role(`{}`), []string{
			"rules[0].verbs: Required value: verbs must contain at least one value",
			"rules[0].apiGroups: Required value: resource rules must supply at least one api group",
			"rules[0].resources: Required value: resource rules must supply at least one resource",
		}},
		{"paths", role(`{nonResourceURLs: [/a], resources: [pods], verbs: [get]}`), []string{
			`rules[0].nonResourceURLs: Invalid value: ["/a"]: namespaced rules cannot apply to non-resource URLs`,
			`rules[0].nonResourceURLs: Invalid value: ["/a"]: rules cannot apply to both regular resources and non-resource URLs`,
		}},
	})
	clusterRole := func(rest string) string {
		return `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: a}, ` + rest + `}`
	}
	testCreate(t, ValidateClusterRoleCreate, []creation{
		{"paths", clusterRole(`rules: [{nonResourceURLs: [/a], verbs: [get]}]`), nil},
		{"gathers nothing", clusterRole(`aggregationRule: {}`), []string{
			"aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil",
		}},
	})
}

func TestRoleBindings(t *testing.T) {
	binding := func(rest string) string {
		return `{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: a, namespace: default}, ` + rest + `}`
	}
	testCreate(t, ValidateRoleBindingCreate, []creation{
		{"plain", binding(`roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}, subjects: [{kind: ServiceAccount, name: s}, {apiGroup: rbac.authorization.k8s.io, kind: User, name: u}]`), nil},
		{"no such kinds", binding(`roleRef: {apiGroup: a, kind: Pod}, subjects: [{kind: Pod}, {kind: ServiceAccount, name: "A", apiGroup: b}]`), []string{
			`roleRef.apiGroup: Unsupported value: "a": supported values: "rbac.authorization.k8s.io"`,
			`roleRef.kind: Unsupported value: "Pod": supported values: "Role", "ClusterRole"`,
			"roleRef.name: Required value",
			"subjects[0].name: Required value",
			`subjects[0].kind: Unsupported value: "Pod": supported values: "ServiceAccount", "User", "Group"`,
			`subjects[1].name: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
			`subjects[1].apiGroup: Unsupported value: "b": supported values: ""`,
		}},
	})
	testUpdate(t, ValidateRoleBindingUpdate, []change{
		{"another role", binding(`roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: a}`), binding(`roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: b}`), []string{
			`roleRef: Invalid value: {"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"b"}: cannot change roleRef`,
		}},
	})
}
