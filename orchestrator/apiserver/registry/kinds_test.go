package registry_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"
)

const template = `template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: busybox}]}}`

// kind is one kind of the API, an object of it, and what the server is to do
// with a change of it.
type kind struct {
	resource, group, version string
	cluster                  bool
	manifest                 string
	// change is a merge patch that asks for something else.
	change string
	// raises tells that the change raises the generation.
	raises bool
	// status is a merge patch of the status, where there is one.
	status string
	// alone kinds cannot be deleted many at once.
	alone bool
	// versioned kinds cannot be updated without naming a version.
	versioned bool
	// putCreates kinds are created by an update.
	putCreates bool
}

func kinds() []kind {
	return []kind{
		{resource: "pods", version: "v1", manifest: `{kind: Pod, spec: {containers: [{name: a, image: busybox}]}}`, change: `{"spec":{"activeDeadlineSeconds":9}}`, raises: true, status: `{"status":{"message":"x"}}`},
		{resource: "podtemplates", version: "v1", manifest: `{kind: PodTemplate, ` + template + `}`, change: `{"template":{"metadata":{"labels":{"b":"c"}}}}`, raises: true},
		{resource: "replicationcontrollers", version: "v1", manifest: `{kind: ReplicationController, spec: {selector: {app: web}, ` + template + `}}`, change: `{"spec":{"replicas":3}}`, raises: true, status: `{"status":{"replicas":2}}`},
		{resource: "services", version: "v1", manifest: `{kind: Service, spec: {ports: [{port: 80}]}}`, change: `{"spec":{"selector":{"app":"x"}}}`, status: `{"status":{"conditions":[{"type":"A","status":"True","reason":"B","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`, putCreates: true},
		{resource: "endpoints", version: "v1", manifest: `{kind: Endpoints, subsets: [{addresses: [{ip: 10.0.0.1}]}]}`, change: `{"subsets":[{"addresses":[{"ip":"10.0.0.2"}]}]}`, putCreates: true},
		{resource: "nodes", version: "v1", cluster: true, manifest: `{kind: Node}`, change: `{"spec":{"unschedulable":true}}`, status: `{"status":{"phase":"Running"}}`},
		{resource: "namespaces", version: "v1", cluster: true, manifest: `{kind: Namespace}`, change: `{"metadata":{"labels":{"a":"b"}}}`, status: `{"status":{"conditions":[{"type":"NamespaceContentRemaining","status":"True"}]}}`, alone: true},
		{resource: "events", version: "v1", manifest: `{kind: Event, involvedObject: {kind: Pod, namespace: NAMESPACE, name: a}, reason: A, type: Normal}`, change: `{"message":"x"}`, putCreates: true},
		{resource: "configmaps", version: "v1", manifest: `{kind: ConfigMap, data: {a: b}}`, change: `{"data":{"a":"c"}}`},
		{resource: "secrets", version: "v1", manifest: `{kind: Secret, data: {a: AA==}}`, change: `{"stringData":{"a":"c"}}`},
		{resource: "serviceaccounts", version: "v1", manifest: `{kind: ServiceAccount}`, change: `{"automountServiceAccountToken":false}`},
		{resource: "resourcequotas", version: "v1", manifest: `{kind: ResourceQuota, spec: {hard: {pods: "10"}}}`, change: `{"spec":{"hard":{"pods":"11"}}}`, status: `{"status":{"used":{"pods":"1"}}}`},
		{resource: "limitranges", version: "v1", manifest: `{kind: LimitRange, spec: {limits: [{type: Pod, max: {cpu: "1"}}]}}`, change: `{"spec":{"limits":[{"type":"Pod","max":{"cpu":"2"}}]}}`, putCreates: true},
		{resource: "persistentvolumes", version: "v1", cluster: true, manifest: `{kind: PersistentVolume, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /a}}}`, change: `{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}`, status: `{"status":{"phase":"Available"}}`},
		{resource: "persistentvolumeclaims", version: "v1", manifest: `{kind: PersistentVolumeClaim, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}`, change: `{"spec":{"volumeName":"v"}}`, status: `{"status":{"phase":"Bound"}}`},
		{resource: "replicasets", group: "apps", version: "v1", manifest: `{kind: ReplicaSet, spec: {selector: {matchLabels: {app: web}}, ` + template + `}}`, change: `{"spec":{"replicas":3}}`, raises: true, status: `{"status":{"replicas":2}}`},
		{resource: "deployments", group: "apps", version: "v1", manifest: `{kind: Deployment, spec: {selector: {matchLabels: {app: web}}, ` + template + `}}`, change: `{"metadata":{"annotations":{"a":"b"}}}`, raises: true, status: `{"status":{"replicas":2}}`},
		{resource: "daemonsets", group: "apps", version: "v1", manifest: `{kind: DaemonSet, spec: {selector: {matchLabels: {app: web}}, ` + template + `}}`, change: `{"spec":{"minReadySeconds":3}}`, raises: true, status: `{"status":{"numberReady":2}}`},
		{resource: "controllerrevisions", group: "apps", version: "v1", manifest: `{kind: ControllerRevision, revision: 1, data: {a: b}}`, change: `{"revision":2}`},
		{resource: "endpointslices", group: "discovery.k8s.io", version: "v1", manifest: `{kind: EndpointSlice, addressType: IPv4, endpoints: [{addresses: [10.0.0.1]}]}`, change: `{"endpoints":[{"addresses":["10.0.0.2"]}]}`, raises: true},
		{resource: "leases", group: "coordination.k8s.io", version: "v1", manifest: `{kind: Lease, spec: {holderIdentity: a}}`, change: `{"spec":{"holderIdentity":"b"}}`, versioned: true, putCreates: true},
		{resource: "events", group: "events.k8s.io", version: "v1", manifest: `{kind: Event, eventTime: "2026-01-01T00:00:00.000000Z", regarding: {kind: Pod, namespace: NAMESPACE, name: a}, reason: A, type: Normal, action: B, reportingController: c, reportingInstance: d}`, change: `{"series":{"count":2,"lastObservedTime":"2026-01-01T00:00:01.000000Z"}}`, putCreates: true},
		{resource: "priorityclasses", group: "scheduling.k8s.io", version: "v1", cluster: true, manifest: `{kind: PriorityClass, value: 7}`, change: `{"description":"x"}`},
		{resource: "storageclasses", group: "storage.k8s.io", version: "v1", cluster: true, manifest: `{kind: StorageClass, provisioner: example.com/a}`, change: `{"allowVolumeExpansion":true}`},
		{resource: "roles", group: "rbac.authorization.k8s.io", version: "v1", manifest: `{kind: Role, rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]}`, change: `{"rules":[]}`, putCreates: true},
		{resource: "rolebindings", group: "rbac.authorization.k8s.io", version: "v1", manifest: `{kind: RoleBinding, roleRef: {kind: Role, name: a}}`, change: `{"subjects":[{"kind":"User","name":"u"}]}`, putCreates: true},
		{resource: "clusterroles", group: "rbac.authorization.k8s.io", version: "v1", cluster: true, manifest: `{kind: ClusterRole}`, change: `{"rules":[{"nonResourceURLs":["/metrics"],"verbs":["get"]}]}`, putCreates: true},
		{resource: "clusterrolebindings", group: "rbac.authorization.k8s.io", version: "v1", cluster: true, manifest: `{kind: ClusterRoleBinding, roleRef: {kind: ClusterRole, name: a}}`, change: `{"subjects":[{"kind":"Group","name":"g"}]}`, putCreates: true},
		{resource: "poddisruptionbudgets", group: "policy", version: "v1", manifest: `{kind: PodDisruptionBudget, spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}}`, change: `{"spec":{"minAvailable":2}}`, raises: true, status: `{"status":{"disruptionsAllowed":1,"currentHealthy":1,"desiredHealthy":1,"expectedPods":1}}`, versioned: true},
	}
}

func (k kind) object(t *testing.T, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	content, err := yaml.YAMLToJSON([]byte(k.manifest))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &o.Object))
	o.SetAPIVersion(schema.GroupVersion{Group: k.group, Version: k.version}.String())
	o.SetName(name)
	o.SetLabels(map[string]string{"test": name})
	if !k.cluster {
		o.SetNamespace(namespace)
		for _, about := range []string{"involvedObject", "regarding"} {
			if _, ok := o.Object[about]; ok {
				require.NoError(t, unstructured.SetNestedField(o.Object, namespace, about, "namespace"))
			}
		}
	}
	return o
}

// TestEveryKind takes each kind through what clients do with objects.
func TestEveryKind(t *testing.T) {
	s, _ := start(t)
	c, err := dynamic.NewForConfig(s.ClientConfig("admin", "system:masters"))
	require.NoError(t, err)
	for _, k := range kinds() {
		t.Run(k.resource+"."+k.group, func(t *testing.T) { k.test(t, c) })
	}
}

func (k kind) test(t *testing.T, c dynamic.Interface) {
	all := c.Resource(schema.GroupVersionResource{Group: k.group, Version: k.version, Resource: k.resource})
	objects := dynamic.ResourceInterface(all)
	if !k.cluster {
		objects = all.Namespace("default")
	}
	ctx := t.Context()
	name := "a"
	if k.group == "events.k8s.io" {
		name = "newer" // core's events are the same objects
	}

	dry := k.object(t, "default", name)
	_, err := objects.Create(ctx, dry, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	require.NoError(t, err, "dry run")
	made, err := objects.Create(ctx, k.object(t, "default", name), create)
	require.NoError(t, err)
	require.NotEmpty(t, made.GetUID())
	_, err = objects.Create(ctx, k.object(t, "default", name), create)
	require.True(t, apierrors.IsAlreadyExists(err), "%v", err)
	require.ErrorContains(t, err, k.resource)

	changed, err := objects.Patch(ctx, name, types.MergePatchType, []byte(k.change), metav1.PatchOptions{})
	require.NoError(t, err)
	require.NotEqual(t, made.GetResourceVersion(), changed.GetResourceVersion())
	if k.raises {
		require.EqualValues(t, 1, made.GetGeneration())
		require.EqualValues(t, 2, changed.GetGeneration())
	}
	stale := made.DeepCopy()
	stale.SetLabels(map[string]string{"test": "stale"})
	_, err = objects.Update(ctx, stale, update)
	require.True(t, apierrors.IsConflict(err), "%v", err)

	k.testStatus(t, objects, changed)
	k.testPatches(t, objects, name)
	k.testApply(t, objects, name)
	k.testUnversioned(t, objects, name)
	k.testDeletion(t, objects, name)
}

// testStatus checks that the status has a way of its own.
func (k kind) testStatus(t *testing.T, objects dynamic.ResourceInterface, made *unstructured.Unstructured) {
	if k.status == "" {
		_, err := objects.Get(t.Context(), made.GetName(), get, "status")
		require.True(t, apierrors.IsNotFound(err), "%v", err)
		return
	}
	same, err := objects.Patch(t.Context(), made.GetName(), types.MergePatchType, []byte(k.status), metav1.PatchOptions{})
	require.NoError(t, err)
	require.Equal(t, made.Object["status"], same.Object["status"], "only /status changes the status")
	set, err := objects.Patch(t.Context(), made.GetName(), types.MergePatchType, []byte(k.status), metav1.PatchOptions{}, "status")
	require.NoError(t, err)
	require.NotEqual(t, made.Object["status"], set.Object["status"])
	require.Equal(t, made.Object["spec"], set.Object["spec"])
	require.Equal(t, made.GetGeneration(), set.GetGeneration())
	read, err := objects.Get(t.Context(), made.GetName(), get, "status")
	require.NoError(t, err)
	require.Equal(t, set.Object["status"], read.Object["status"])
}

func (k kind) testPatches(t *testing.T, objects dynamic.ResourceInterface, name string) {
	for kind, patch := range map[types.PatchType]string{
		types.JSONPatchType:           `[{"op":"add","path":"/metadata/labels/json","value":"yes"}]`,
		types.StrategicMergePatchType: `{"metadata":{"labels":{"strategic":"yes"}}}`,
	} {
		_, err := objects.Patch(t.Context(), name, kind, []byte(patch), metav1.PatchOptions{})
		require.NoError(t, err, kind)
	}
	selected, err := objects.List(t.Context(), metav1.ListOptions{LabelSelector: "json=yes,strategic=yes", FieldSelector: "metadata.name=" + name})
	require.NoError(t, err)
	require.Len(t, selected.Items, 1)
}

// testApply checks that two appliers conflict where they differ.
func (k kind) testApply(t *testing.T, objects dynamic.ResourceInterface, name string) {
	applied := func(owner string) *unstructured.Unstructured {
		o := &unstructured.Unstructured{}
		o.SetAPIVersion(schema.GroupVersion{Group: k.group, Version: k.version}.String())
		o.SetKind(k.object(t, "default", name).GetKind())
		o.SetName(name)
		o.SetLabels(map[string]string{"owner": owner})
		return o
	}
	_, err := objects.Apply(t.Context(), name, applied("one"), metav1.ApplyOptions{FieldManager: "one"})
	require.NoError(t, err)
	_, err = objects.Apply(t.Context(), name, applied("two"), metav1.ApplyOptions{FieldManager: "two"})
	require.True(t, apierrors.IsConflict(err), "%v", err)
	forced, err := objects.Apply(t.Context(), name, applied("two"), metav1.ApplyOptions{FieldManager: "two", Force: true})
	require.NoError(t, err)
	require.Equal(t, "two", forced.GetLabels()["owner"])
}

func (k kind) testUnversioned(t *testing.T, objects dynamic.ResourceInterface, name string) {
	o, err := objects.Get(t.Context(), name, get)
	require.NoError(t, err)
	o.SetResourceVersion("")
	o.SetLabels(map[string]string{"test": name, "unversioned": "yes"})
	_, err = objects.Update(t.Context(), o, update)
	if k.versioned {
		require.ErrorContains(t, err, "metadata.resourceVersion: Invalid value")
	} else {
		require.NoError(t, err)
	}
	_, err = objects.Update(t.Context(), k.object(t, "default", name+"-by-put"), update)
	if k.putCreates {
		require.NoError(t, err)
	} else {
		require.Error(t, err)
	}
}

func (k kind) testDeletion(t *testing.T, objects dynamic.ResourceInterface, name string) {
	if k.alone {
		require.True(t, apierrors.IsMethodNotSupported(objects.DeleteCollection(t.Context(), remove, list)))
		require.NoError(t, objects.Delete(t.Context(), name, remove))
		return
	}
	require.NoError(t, objects.DeleteCollection(t.Context(), metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}, metav1.ListOptions{LabelSelector: "test=" + name}))
	_, err := objects.Get(t.Context(), name, get)
	require.NoError(t, err)
	require.NoError(t, objects.DeleteCollection(t.Context(), remove, metav1.ListOptions{LabelSelector: "test=" + name}))
	_, err = objects.Get(t.Context(), name, get)
	require.True(t, apierrors.IsNotFound(err) || deleting(t, objects, name), "%v", err)
}

// deleting tells whether an object waits for somebody's finalizer.
func deleting(t *testing.T, objects dynamic.ResourceInterface, name string) bool {
	o, err := objects.Get(t.Context(), name, get)
	return err == nil && o.GetDeletionTimestamp() != nil
}
