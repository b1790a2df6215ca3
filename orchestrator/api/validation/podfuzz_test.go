package validation_test

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

// FuzzPod gives defaults and validation any pod that JSON can be: they must not
// panic, a second run of the defaults must change nothing, and a pod that is
// valid must be valid as its own update.
func FuzzPod(f *testing.F) {
	for _, name := range []string{"testdata/rich.json", "testdata/volumes.json"} {
		seed, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(seed, seed)
	}
	f.Add([]byte(`{"spec":{"containers":[{"ports":[{}],"env":[{"valueFrom":{}}],"livenessProbe":{}}],"volumes":[{}]}}`), []byte(`{}`))
	f.Add([]byte(`{"spec":{"resources":{"limits":{"hugepages-0.5":"1"}},"affinity":{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{}]}}}}`), []byte(`{"spec":{"schedulingGates":[{}]}}`))
	s := scheme(f)
	f.Fuzz(func(t *testing.T, raw, other []byte) { checkAnyPod(t, s, raw, other) })
}

// checkAnyPod holds, for what decodes as pods, what FuzzPod says.
func checkAnyPod(t *testing.T, s *runtime.Scheme, raw, other []byte) {
	var pod, old v1.Pod
	if json.Unmarshal(raw, &pod) != nil || json.Unmarshal(other, &old) != nil {
		return
	}
	s.Default(&pod)
	s.Default(&old)
	once := pod.DeepCopy()
	s.Default(&pod)
	require.Equal(t, once, &pod)
	errs := validation.ValidatePodCreate(&pod)
	validation.PodWarnings(&pod)
	validation.ValidatePodTemplateSpec(&v1.PodTemplateSpec{ObjectMeta: pod.ObjectMeta, Spec: pod.Spec}, field.NewPath("template"))
	validation.ValidatePodUpdate(&pod, &old)
	validation.ValidatePodStatusUpdate(&pod, &old)
	validation.ValidatePodEphemeralContainersUpdate(&pod, &old)
	require.Equal(t, once, &pod, "validation changes nothing")
	if len(errs) == 0 {
		pod.ResourceVersion = "1"
		require.Empty(t, validation.ValidatePodUpdate(&pod, pod.DeepCopy()))
	}
}

// TestMutatedPods is FuzzPod with pods that decode: a rich one in which values
// were removed, doubled, or exchanged for others of its own.
func TestMutatedPods(t *testing.T) {
	s := scheme(t)
	seed, err := os.ReadFile("testdata/rich.json")
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(1, 2))
	for range 1500 {
		var tree any
		require.NoError(t, json.Unmarshal(seed, &tree))
		for range 1 + random.IntN(6) {
			mutate(random, tree)
		}
		raw, err := json.Marshal(tree)
		require.NoError(t, err)
		checkAnyPod(t, s, raw, seed)
	}
}

// mutate changes one value somewhere in a tree of JSON.
func mutate(random *rand.Rand, tree any) {
	values := []any{"", "..", "a", nil, -1.0, 0.0, 1e9, true, map[string]any{}, []any{}}
	switch node := tree.(type) {
	case map[string]any:
		keys := slices.Sorted(maps.Keys(node))
		if len(keys) == 0 {
			return
		}
		key := keys[random.IntN(len(keys))]
		switch random.IntN(8) {
		case 0:
			delete(node, key)
		case 1:
			node[key] = values[random.IntN(len(values))]
		case 2:
			node[key] = node[keys[random.IntN(len(keys))]]
		default:
			mutate(random, node[key])
		}
	case []any:
		if len(node) == 0 {
			return
		}
		i, j := random.IntN(len(node)), random.IntN(len(node))
		if random.IntN(6) == 0 {
			node[i] = node[j]
			return
		}
		mutate(random, node[i])
	}
}

// typical is a pod as a controller makes it.
const typical = `{"metadata":{"generateName":"web-","name":"web-abcde","namespace":"default","labels":{"app":"web"}},"spec":{"containers":[{
	"name":"web","image":"registry.local/web:1.2","ports":[{"name":"http","containerPort":8080}],
	"env":[{"name":"A","value":"b"},{"name":"POD","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}],
	"resources":{"requests":{"cpu":"100m","memory":"64Mi"},"limits":{"memory":"128Mi"}},
	"readinessProbe":{"httpGet":{"port":"http","path":"/ready"}},"livenessProbe":{"httpGet":{"port":"http","path":"/live"}},
	"volumeMounts":[{"name":"conf","mountPath":"/etc/web"},{"name":"token","mountPath":"/var/run/secrets/kubernetes.io/serviceaccount","readOnly":true}]}],
	"volumes":[{"name":"conf","configMap":{"name":"web"}},{"name":"token","projected":{"sources":[{"serviceAccountToken":{"path":"token"}},
		{"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}},{"downwardAPI":{"items":[{"path":"namespace","fieldRef":{"fieldPath":"metadata.namespace"}}]}}]}}],
	"serviceAccountName":"default"}}`

func BenchmarkDefaultAndValidate(b *testing.B) {
	scheme := scheme(b)
	var pod v1.Pod
	require.NoError(b, json.Unmarshal([]byte(typical), &pod))
	valid := pod.DeepCopy()
	scheme.Default(valid)
	require.Empty(b, validation.ValidatePodCreate(valid))
	b.Run("default", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			scheme.Default(pod.DeepCopy())
		}
	})
	b.Run("validate", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			validation.ValidatePodCreate(valid)
		}
	})
	b.Run("both and copy", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p := pod.DeepCopy()
			scheme.Default(p)
			validation.ValidatePodCreate(p)
		}
	})
}
