package validation_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
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
	scheme := scheme(f)
	decode := func(raw []byte) *v1.Pod {
		var pod v1.Pod
		if json.Unmarshal(raw, &pod) != nil {
			return nil
		}
		scheme.Default(&pod)
		return &pod
	}
	f.Fuzz(func(t *testing.T, raw, other []byte) {
		pod, old := decode(raw), decode(other)
		if pod == nil || old == nil {
			return
		}
		once := pod.DeepCopy()
		scheme.Default(pod)
		require.Equal(t, once, pod)
		errs := validation.ValidatePodCreate(pod)
		validation.PodWarnings(pod)
		validation.ValidatePodTemplateSpec(&v1.PodTemplateSpec{ObjectMeta: pod.ObjectMeta, Spec: pod.Spec}, field.NewPath("template"))
		validation.ValidatePodUpdate(pod, old)
		validation.ValidatePodStatusUpdate(pod, old)
		validation.ValidatePodEphemeralContainersUpdate(pod, old)
		require.Equal(t, once, pod, "validation changes nothing")
		if len(errs) == 0 {
			pod.ResourceVersion = "1"
			require.Empty(t, validation.ValidatePodUpdate(pod, pod.DeepCopy()))
		}
	})
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
