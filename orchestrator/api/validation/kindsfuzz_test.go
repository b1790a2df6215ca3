package validation_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

// checks are those of one kind, whatever its type, and an object that is valid.
type checks struct {
	name, seed string
	// run tells what is wrong with the object as a new one.
	run func(t *testing.T, s *runtime.Scheme, raw, other []byte) field.ErrorList
}

// checksOf makes the checks of a kind: none may panic or change an object, and
// what is valid as new must be valid as its own update.
func checksOf[T any, P interface {
	*T
	runtime.Object
	metav1.Object
}](name, seed string, create func(P) field.ErrorList, updates ...func(obj, old P) field.ErrorList) checks {
	return checks{name, seed, func(t *testing.T, s *runtime.Scheme, raw, other []byte) field.ErrorList {
		var obj, old P = new(T), new(T)
		if json.Unmarshal(raw, obj) != nil || json.Unmarshal(other, old) != nil {
			return nil
		}
		s.Default(obj)
		s.Default(old)
		before := obj.DeepCopyObject()
		errs := create(obj)
		for _, update := range updates {
			update(obj, old)
		}
		require.Equal(t, before, runtime.Object(obj), "validation changes nothing")
		if len(errs) == 0 && len(updates) > 0 {
			obj.SetResourceVersion("1")
			require.Empty(t, updates[0](obj, obj.DeepCopyObject().(P)))
		}
		return errs
	}}
}

const (
	fuzzMeta     = `metadata: {name: a, namespace: default, finalizers: [example.com/own]}, `
	fuzzTemplate = `selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: x}]}}`
)

func allChecks() []checks {
	newEvent := func(e *v1.Event) field.ErrorList { return validation.ValidateEventCreate(e, true) }
	newEventUpdate := func(e, old *v1.Event) field.ErrorList { return validation.ValidateEventUpdate(e, old, true) }
	return []checks{
		checksOf("service", `{`+fuzzMeta+`spec: {type: LoadBalancer, clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1], ipFamilies: [IPv4], ipFamilyPolicy: SingleStack, externalIPs: [1.2.3.4], loadBalancerSourceRanges: [10.0.0.0/8], sessionAffinity: ClientIP, selector: {app: web}, ports: [{name: a, port: 80}, {name: b, port: 81, nodePort: 30000}]}, status: {loadBalancer: {ingress: [{ip: 1.2.3.4}, {hostname: b}]}}}`,
			validation.ValidateServiceCreate, validation.ValidateServiceUpdate, validation.ValidateServiceStatusUpdate),
		checksOf("endpoints", `{`+fuzzMeta+`subsets: [{addresses: [{ip: 10.0.0.1, nodeName: a}], notReadyAddresses: [{ip: 10.0.0.2}], ports: [{name: a, port: 80}, {name: b, port: 81}]}]}`,
			validation.ValidateEndpointsCreate, validation.ValidateEndpointsUpdate),
		checksOf("endpoint slice", `{`+fuzzMeta+`addressType: IPv4, ports: [{name: a, port: 80}, {}], endpoints: [{addresses: [10.0.0.1], hostname: a, nodeName: b, hints: {forZones: [{name: z}], forNodes: [{name: n}]}}]}`,
			validation.ValidateEndpointSliceCreate, validation.ValidateEndpointSliceUpdate),
		checksOf("replication controller", `{`+fuzzMeta+`spec: {replicas: 1, selector: {app: web}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: x}]}}}, status: {replicas: 1, readyReplicas: 1}}`,
			validation.ValidateReplicationControllerCreate, validation.ValidateReplicationControllerUpdate, validation.ValidateReplicationControllerStatusUpdate),
		checksOf("replica set", `{`+fuzzMeta+`spec: {replicas: 1, `+fuzzTemplate+`}, status: {replicas: 1, terminatingReplicas: 1}}`,
			validation.ValidateReplicaSetCreate, validation.ValidateReplicaSetUpdate, validation.ValidateReplicaSetStatusUpdate),
		checksOf("deployment", `{`+fuzzMeta+`spec: {replicas: 1, strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 25%}}, `+fuzzTemplate+`}, status: {replicas: 1, collisionCount: 1}}`,
			validation.ValidateDeploymentCreate, validation.ValidateDeploymentUpdate, validation.ValidateDeploymentStatusUpdate),
		checksOf("daemon set", `{`+fuzzMeta+`spec: {updateStrategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}, `+fuzzTemplate+`}, status: {numberReady: 1}}`,
			validation.ValidateDaemonSetCreate, validation.ValidateDaemonSetUpdate, validation.ValidateDaemonSetStatusUpdate),
		checksOf("controller revision", `{`+fuzzMeta+`revision: 1, data: {a: b}}`,
			validation.ValidateControllerRevisionCreate, validation.ValidateControllerRevisionUpdate),
		checksOf("node", `{metadata: {name: a}, spec: {podCIDRs: [10.244.0.0/24], taints: [{key: a, value: b, effect: NoSchedule}]}, status: {capacity: {cpu: "1", pods: "10"}, addresses: [{type: InternalIP, address: 10.0.0.1}]}}`,
			validation.ValidateNodeCreate, validation.ValidateNodeUpdate),
		checksOf("namespace", `{metadata: {name: a}, spec: {finalizers: [kubernetes, example.com/own]}, status: {phase: Active}}`,
			validation.ValidateNamespaceCreate, validation.ValidateNamespaceUpdate, validation.ValidateNamespaceStatusUpdate, validation.ValidateNamespaceFinalizeUpdate),
		checksOf("config map", `{`+fuzzMeta+`immutable: true, data: {a: b}, binaryData: {c: AA==}}`, validation.ValidateConfigMapCreate, validation.ValidateConfigMapUpdate),
		checksOf("secret", `{`+fuzzMeta+`type: kubernetes.io/tls, data: {tls.crt: AA==, tls.key: AA==}}`, validation.ValidateSecretCreate, validation.ValidateSecretUpdate),
		checksOf("quota", `{`+fuzzMeta+`spec: {hard: {pods: "1", requests.cpu: "2"}, scopes: [NotBestEffort], scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: In, values: [a]}]}}, status: {hard: {pods: "1"}, used: {pods: "1"}}}`,
			validation.ValidateResourceQuotaCreate, validation.ValidateResourceQuotaUpdate, validation.ValidateResourceQuotaStatusUpdate),
		checksOf("limit range", `{`+fuzzMeta+`spec: {limits: [{type: Container, min: {cpu: 100m}, defaultRequest: {cpu: 200m}, default: {cpu: 300m}, max: {cpu: 400m}, maxLimitRequestRatio: {cpu: "3"}}, {type: Pod, max: {cpu: "1"}}]}}`,
			validation.ValidateLimitRangeCreate, validation.ValidateLimitRangeUpdate),
		checksOf("volume", `{metadata: {name: a}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], local: {path: /a}, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: In, values: [b]}]}]}}, storageClassName: c}}`,
			validation.ValidatePersistentVolumeCreate, validation.ValidatePersistentVolumeUpdate, validation.ValidatePersistentVolumeStatusUpdate),
		checksOf("claim", `{`+fuzzMeta+`spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}, volumeName: v, storageClassName: c, selector: {matchLabels: {a: b}}}, status: {phase: Bound, capacity: {storage: 1Gi}, allocatedResources: {storage: 1Gi}}}`,
			validation.ValidatePersistentVolumeClaimCreate, validation.ValidatePersistentVolumeClaimUpdate, validation.ValidatePersistentVolumeClaimStatusUpdate),
		checksOf("lease", `{`+fuzzMeta+`spec: {holderIdentity: a, leaseDurationSeconds: 4, leaseTransitions: 1, strategy: OldestEmulationVersion, preferredHolder: b}}`,
			validation.ValidateLeaseCreate, validation.ValidateLeaseUpdate),
		checksOf("priority class", `{metadata: {name: a}, value: 7, preemptionPolicy: Never}`,
			validation.ValidatePriorityClassCreate, validation.ValidatePriorityClassUpdate),
		checksOf("disruption budget", `{`+fuzzMeta+`spec: {minAvailable: 30%, selector: {matchLabels: {a: b}}}, status: {disruptionsAllowed: 1}}`,
			validation.ValidatePodDisruptionBudgetCreate, validation.ValidatePodDisruptionBudgetUpdate, validation.ValidatePodDisruptionBudgetStatusUpdate),
		checksOf("role", `{`+fuzzMeta+`rules: [{apiGroups: [""], resources: [pods], resourceNames: [a], verbs: [get]}]}`,
			validation.ValidateRoleCreate, validation.ValidateRoleUpdate),
		checksOf("cluster role", `{metadata: {name: a}, rules: [{nonResourceURLs: [/metrics], verbs: [get]}], aggregationRule: {clusterRoleSelectors: [{matchLabels: {a: b}}]}}`,
			validation.ValidateClusterRoleCreate, validation.ValidateClusterRoleUpdate),
		checksOf("role binding", `{`+fuzzMeta+`roleRef: {kind: Role, name: r}, subjects: [{kind: User, name: u}, {kind: ServiceAccount, name: s}]}`,
			validation.ValidateRoleBindingCreate, validation.ValidateRoleBindingUpdate),
		checksOf("cluster role binding", `{metadata: {name: a}, roleRef: {kind: ClusterRole, name: r}, subjects: [{kind: Group, name: g}, {kind: ServiceAccount, namespace: n, name: s}]}`,
			validation.ValidateClusterRoleBindingCreate, validation.ValidateClusterRoleBindingUpdate),
		checksOf("event", `{`+fuzzMeta+`involvedObject: {namespace: default}, eventTime: "2026-01-01T00:00:00.000000Z", type: Normal, reason: a, action: b, reportingComponent: c, reportingInstance: d, series: {count: 2, lastObservedTime: "2026-01-01T00:00:00.000000Z"}}`,
			newEvent, newEventUpdate),
	}
}

// TestMutatedKinds runs the checks on valid objects in which values were
// removed, doubled, or exchanged for others.
func TestMutatedKinds(t *testing.T) {
	s := scheme(t)
	for _, c := range allChecks() {
		t.Run(c.name, func(t *testing.T) {
			seed, err := yaml.YAMLToJSON([]byte(c.seed))
			require.NoError(t, err)
			require.Empty(t, c.run(t, s, seed, seed))
			random := rand.New(rand.NewPCG(3, 4))
			for range 400 {
				var tree any
				require.NoError(t, json.Unmarshal(seed, &tree))
				for range 1 + random.IntN(5) {
					mutate(random, tree)
				}
				raw, err := json.Marshal(tree)
				require.NoError(t, err)
				c.run(t, s, raw, seed)
				c.run(t, s, seed, raw)
			}
		})
	}
}

// FuzzKinds runs the checks on whatever JSON can be.
func FuzzKinds(f *testing.F) {
	all := allChecks()
	for i, c := range all {
		seed, err := yaml.YAMLToJSON([]byte(c.seed))
		require.NoError(f, err)
		f.Add(i, seed, seed)
	}
	s := scheme(f)
	f.Fuzz(func(t *testing.T, i int, raw, other []byte) {
		if i < 0 || i >= len(all) {
			return
		}
		all[i].run(t, s, raw, other)
	})
}
