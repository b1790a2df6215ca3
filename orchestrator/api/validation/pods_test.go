package validation_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"github.com/lubberline/lubberline/orchestrator/api/defaults"
	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

// scheme makes a scheme that sets defaults.
func scheme(t testing.TB) *runtime.Scheme {
	s := runtime.NewScheme()
	require.NoError(t, defaults.Register(s))
	return s
}

// patch merges changes into a tree as JSON merge patches do.
func patch(tree, changes map[string]any) {
	for key, change := range changes {
		inner, isMap := change.(map[string]any)
		old, wasMap := tree[key].(map[string]any)
		switch {
		case change == nil:
			delete(tree, key)
		case isMap && wasMap:
			patch(old, inner)
		default:
			tree[key] = change
		}
	}
}

// podWith is the minimal pod with the changes of a case, its defaults set.
func podWith(t *testing.T, changes string) *v1.Pod {
	var c struct {
		Meta, Spec, C map[string]any
		V             []any
	}
	require.NoError(t, yaml.Unmarshal([]byte(changes), &c), changes)
	container := map[string]any{"name": "c", "image": "i"}
	meta := map[string]any{"name": "p", "namespace": "ns"}
	spec := map[string]any{"containers": []any{container}}
	patch(meta, c.Meta)
	patch(spec, c.Spec)
	patch(container, c.C)
	if c.V != nil {
		spec["volumes"] = c.V
	}
	raw, err := json.Marshal(map[string]any{"metadata": meta, "spec": spec})
	require.NoError(t, err)
	var pod v1.Pod
	require.NoError(t, json.Unmarshal(raw, &pod), string(raw))
	scheme(t).Default(&pod)
	return &pod
}

func texts(errs field.ErrorList) []string {
	var list []string
	for _, err := range errs {
		list = append(list, err.Error())
	}
	slices.Sort(list)
	return list
}

// TestPods holds every rule against the file of cases.
func TestPods(t *testing.T) {
	file, err := os.ReadFile("testdata/pods.txt")
	require.NoError(t, err)
	cases := strings.Split(string(file), "\n== ")[1:]
	require.Greater(t, len(cases), 150)
	for _, c := range cases {
		lines := strings.Split(strings.TrimRight(c, "\n"), "\n")
		t.Run(lines[0], func(t *testing.T) {
			errs := texts(validation.ValidatePodCreate(podWith(t, lines[1])))
			require.Equal(t, strings.Join(lines[2:], "\n"), strings.Join(errs, "\n"))
		})
	}
}

func TestTemplates(t *testing.T) {
	for changes, want := range map[string]string{
		`{}`: ``,
		// What a template may have and a pod may not.
		`{meta: {name: A_b, namespace: null}}`:                           ``,
		`{c: {image: " i "}}`:                                            ``,
		`{spec: {hostNetwork: true}, c: {ports: [{containerPort: 80}]}}`: ``,
		`{v: [{name: a, image: {}}]}`:                                    ``,
		// What neither may.
		`{spec: {hostNetwork: true}, c: {ports: [{containerPort: 80, hostPort: 1}]}}`: "template.spec.containers[0].ports[0].hostPort: Invalid value: 1: must match `containerPort` when `hostNetwork` is true",
		`{c: {image: ""}}`: "template.spec.containers[0].image: Required value",
		`{spec: {ephemeralContainers: [{name: e, image: i, imagePullPolicy: Always, terminationMessagePolicy: File}]}}`: "template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template",
	} {
		pod := podWith(t, changes)
		if strings.Contains(changes, "hostPort") == false && pod.Spec.HostNetwork {
			pod.Spec.Containers[0].Ports[0].HostPort = 0 // set for pods only
		}
		template := &v1.PodTemplateSpec{ObjectMeta: pod.ObjectMeta, Spec: pod.Spec}
		errs := texts(validation.ValidatePodTemplateSpec(template, field.NewPath("template")))
		require.Equal(t, want, strings.Join(errs, "\n"), changes)
	}
}

func TestPodTemplateObjects(t *testing.T) {
	pod := podWith(t, `{c: {image: ""}}`)
	template := &v1.PodTemplate{Template: v1.PodTemplateSpec{ObjectMeta: pod.ObjectMeta, Spec: pod.Spec}}
	template.Name, template.Namespace, template.ResourceVersion = "t", "ns", "1"
	want := []string{"template.spec.containers[0].image: Required value"}
	require.Equal(t, want, texts(validation.ValidatePodTemplateCreate(template)))
	old := template.DeepCopy()
	require.Equal(t, want, texts(validation.ValidatePodTemplateUpdate(template, old)))
	old.Name = "other"
	require.Len(t, validation.ValidatePodTemplateUpdate(template, old), 2)

	template.Template.Spec.NodeSelector = map[string]string{"node-role.kubernetes.io/master": ""}
	require.Equal(t, []string{`template.spec.nodeSelector[node-role.kubernetes.io/master]: use "node-role.kubernetes.io/control-plane" instead`},
		validation.PodTemplateWarnings(&template.Template, field.NewPath("template")))
}

func TestPodBinding(t *testing.T) {
	require.Empty(t, validation.ValidatePodBinding(&v1.Binding{Target: v1.ObjectReference{Kind: "Node", Name: "n"}}))
	require.Empty(t, validation.ValidatePodBinding(&v1.Binding{Target: v1.ObjectReference{Name: "n"}}))
	require.Equal(t, []string{`target.kind: Unsupported value: "Pod": supported values: "Node", "<empty>"`, "target.name: Required value"},
		texts(validation.ValidatePodBinding(&v1.Binding{Target: v1.ObjectReference{Kind: "Pod"}})))
}

func TestPodWarnings(t *testing.T) {
	for changes, want := range map[string]string{
		`{}`:                  ``,
		`{meta: {name: a.b}}`: "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]",
		`{spec: {nodeSelector: {beta.kubernetes.io/os: linux}}}`:                                     `spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead`,
		`{meta: {annotations: {scheduler.alpha.kubernetes.io/critical-pod: ""}}}`:                    `metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional in v1.16+; use the "priorityClassName" field instead`,
		`{meta: {annotations: {container.seccomp.security.alpha.kubernetes.io/c: runtime/default}}}`: `metadata.annotations[container.seccomp.security.alpha.kubernetes.io/c]: non-functional in v1.27+; use the "seccompProfile" field instead`,
		`{v: [{name: a, gitRepo: {repository: r}}]}`:                                                 `spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+`,
		`{v: [{name: a, configMap: {name: m, items: [{key: a, path: x}, {key: b, path: x/y}]}}]}`:    `volume "a" (ConfigMap "m"): overlapping paths: "x/y" with "x"`,
		`{v: [{name: a, projected: {sources: [{}]}}]}`:                                               `volume "a" (Projected) has no sources provided`,
		`{spec: {hostAliases: [{ip: 1.1.1.1}, {ip: 1.1.1.1}]}}`:                                      `spec.hostAliases[1].ip: duplicate ip "1.1.1.1"`,
		`{spec: {imagePullSecrets: [{name: a}, {name: a}]}}`:                                         `spec.imagePullSecrets[1].name: duplicate name "a"`,
		`{c: {resources: {limits: {memory: 100m}}}}`: `spec.containers[0].resources.limits[memory]: fractional byte value "100m" is invalid, must be an integer` + "\n" +
			`spec.containers[0].resources.requests[memory]: fractional byte value "100m" is invalid, must be an integer`,
		`{c: {env: [{name: A, value: x}, {name: A, value: z}]}}`:                                                `spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply`,
		`{c: {env: [{name: A, value: x}, {name: A, value: "$(A):y"}]}}`:                                         ``,
		`{c: {ports: [{containerPort: 80}, {containerPort: 80, name: a}]}}`:                                     `spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]`,
		`{c: {ports: [{containerPort: 80, hostPort: 1}, {containerPort: 80, hostPort: 1, hostIP: 1.1.1.1}]}}`:   `spec.containers[0].ports[1]: dangerously ambiguous port definition with spec.containers[0].ports[0]`,
		`{spec: {topologySpreadConstraints: [{maxSkew: 1, topologyKey: z, whenUnsatisfiable: DoNotSchedule}]}}`: `spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod`,
	} {
		require.Equal(t, want, strings.Join(validation.PodWarnings(podWith(t, changes)), "\n"), changes)
	}
}
