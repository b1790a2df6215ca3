package resourcequota

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/lubberline/lubberline/orchestrator/controller/controllertest"
)

// live is a namespace of its own on a server that the tests share.
type live struct {
	*controllertest.Cluster
	t         *testing.T
	namespace string
}

func TestQuotasOnTheAPIServer(t *testing.T) {
	c := controllertest.Start(t)
	controller, err := New(Options{Client: c.Client, Informers: c.Informers, Objects: c.Objects, Logger: c.Logger})
	require.NoError(t, err)
	c.Run(t, controller)
	tests := []struct {
		name string
		run  func(*live)
	}{
		{"pods", pods}, {"services", services}, {"objects", otherObjects}, {"best-effort", bestEffort}, {"terminating", terminating},
		{"status", status}, {"together", together}, {"unspecified", unspecified},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c.Namespace(t, test.name)
			c.Account(t, test.name)
			test.run(&live{c, t, test.name})
		})
	}
}

func list(pairs ...string) corev1.ResourceList {
	l := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		l[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return l
}

func (l *live) quota(name string, hard corev1.ResourceList, scopes ...corev1.ResourceQuotaScope) {
	l.t.Helper()
	q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ResourceQuotaSpec{Hard: hard, Scopes: scopes}}
	_, err := l.Client.CoreV1().ResourceQuotas(l.namespace).Create(l.t.Context(), q, metav1.CreateOptions{})
	require.NoError(l.t, err)
}

// used waits until the quota's status says so.
func (l *live) used(name string, pairs ...string) {
	l.t.Helper()
	var q *corev1.ResourceQuota
	wanted := list(pairs...)
	require.Eventually(l.t, func() bool {
		var err error
		q, err = l.Client.CoreV1().ResourceQuotas(l.namespace).Get(l.t.Context(), name, metav1.GetOptions{})
		if err != nil || len(q.Status.Hard) != len(q.Spec.Hard) {
			return false
		}
		for n, v := range wanted {
			if is, ok := q.Status.Used[n]; !ok || is.Cmp(v) != 0 {
				return false
			}
		}
		return true
	}, controllertest.Wait, controllertest.Tick, "want %v", pairs)
}

func resources(requests, limits corev1.ResourceList) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Containers[0].Resources = corev1.ResourceRequirements{Requests: requests, Limits: limits}
	}
}

func (l *live) refused(err error, message string) {
	l.t.Helper()
	require.True(l.t, apierrors.IsForbidden(err), "%v", err)
	require.EqualError(l.t, err, message)
}

func (l *live) deletePod(name string) {
	l.t.Helper()
	require.NoError(l.t, l.Client.CoreV1().Pods(l.namespace).Delete(l.t.Context(), name, *metav1.NewDeleteOptions(0)))
}

func pods(l *live) {
	l.quota("q", list("pods", "5", "cpu", "1", "memory", "500Mi", "ephemeral-storage", "50Gi", "requests.example.com/dongle", "3"))
	l.used("q", "pods", "0", "cpu", "0", "requests.example.com/dongle", "0")
	fits := list("cpu", "500m", "memory", "252Mi", "ephemeral-storage", "30Gi", "example.com/dongle", "2")
	l.Pod(l.t, l.namespace, "p", resources(fits, list("example.com/dongle", "2")))
	l.used("q", "pods", "1", "cpu", "500m", "memory", "252Mi", "ephemeral-storage", "30Gi", "requests.example.com/dongle", "2")

	_, err := l.TryPod(l.t.Context(), l.namespace, "cpu", resources(list("cpu", "600m", "memory", "100Mi"), nil))
	l.refused(err, `pods "cpu" is forbidden: exceeded quota: q, requested: cpu=600m, used: cpu=500m, limited: cpu=1`)
	_, err = l.TryPod(l.t.Context(), l.namespace, "dongle", resources(
		list("cpu", "1m", "memory", "1Mi", "example.com/dongle", "2"), list("example.com/dongle", "2")))
	l.refused(err, `pods "dongle" is forbidden: exceeded quota: q, requested: requests.example.com/dongle=2, used: requests.example.com/dongle=2, limited: requests.example.com/dongle=3`)
	l.used("q", "pods", "1", "cpu", "500m")
	l.deletePod("p")
	l.used("q", "pods", "0", "cpu", "0", "memory", "0", "ephemeral-storage", "0", "requests.example.com/dongle", "0")

	l.Pod(l.t, l.namespace, "ends", resources(fits, list("example.com/dongle", "2")))
	l.used("q", "pods", "1")
	_, err = l.Client.CoreV1().Pods(l.namespace).Patch(l.t.Context(), "ends", types.MergePatchType, []byte(`{"status":{"phase":"Succeeded"}}`), metav1.PatchOptions{}, "status")
	require.NoError(l.t, err)
	l.used("q", "pods", "0", "cpu", "0")
}

func unspecified(l *live) {
	l.quota("q", list("limits.cpu", "1", "requests.memory", "1Gi"))
	l.used("q", "limits.cpu", "0")
	_, err := l.TryPod(l.t.Context(), l.namespace, "p")
	l.refused(err, `pods "p" is forbidden: failed quota: q: must specify limits.cpu for: main; requests.memory for: main`)
}

func services(l *live) {
	l.quota("q", list("services", "10", "services.nodeports", "1", "services.loadbalancers", "1", "count/services", "3"))
	l.used("q", "services", "0", "services.nodeports", "0")
	create := func(name string, kind corev1.ServiceType) error {
		s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{Type: kind, Ports: []corev1.ServicePort{{Port: 80}}}}
		_, err := l.Client.CoreV1().Services(l.namespace).Create(l.t.Context(), s, metav1.CreateOptions{})
		return err
	}
	require.NoError(l.t, create("a", corev1.ServiceTypeClusterIP))
	require.NoError(l.t, create("b", corev1.ServiceTypeNodePort))
	l.refused(create("c", corev1.ServiceTypeLoadBalancer), `services "c" is forbidden: exceeded quota: q, requested: services.nodeports=1, used: services.nodeports=1, limited: services.nodeports=1`)
	l.used("q", "services", "2", "services.nodeports", "1", "services.loadbalancers", "0", "count/services", "2")
	for _, name := range []string{"a", "b"} {
		require.NoError(l.t, l.Client.CoreV1().Services(l.namespace).Delete(l.t.Context(), name, metav1.DeleteOptions{}))
	}
	l.used("q", "services", "0", "services.nodeports", "0", "count/services", "0")
}

func otherObjects(l *live) {
	core := l.Client.CoreV1()
	l.quota("q", list("secrets", "1", "configmaps", "1", "count/replicasets.apps", "1", "resourcequotas", "1", "replicationcontrollers", "1",
		"persistentvolumeclaims", "2", "requests.storage", "10Gi", "gold.storageclass.storage.k8s.io/requests.storage", "5Gi"))
	l.used("q", "secrets", "0", "configmaps", "0", "count/replicasets.apps", "0", "resourcequotas", "1", "requests.storage", "0")
	meta := metav1.ObjectMeta{Name: "o"}
	_, err := core.Secrets(l.namespace).Create(l.t.Context(), &corev1.Secret{ObjectMeta: meta}, metav1.CreateOptions{})
	require.NoError(l.t, err)
	_, err = core.ConfigMaps(l.namespace).Create(l.t.Context(), &corev1.ConfigMap{ObjectMeta: meta}, metav1.CreateOptions{})
	require.NoError(l.t, err)
	labels := map[string]string{"a": "b"}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}}}
	rs := &appsv1.ReplicaSet{ObjectMeta: meta, Spec: appsv1.ReplicaSetSpec{Replicas: ptr.To[int32](0), Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: template}}
	_, err = l.Client.AppsV1().ReplicaSets(l.namespace).Create(l.t.Context(), rs, metav1.CreateOptions{})
	require.NoError(l.t, err)
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: meta, Spec: corev1.PersistentVolumeClaimSpec{
		StorageClassName: ptr.To("gold"), AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources: corev1.VolumeResourceRequirements{Requests: list("storage", "3Gi")},
	}}
	_, err = core.PersistentVolumeClaims(l.namespace).Create(l.t.Context(), claim, metav1.CreateOptions{})
	require.NoError(l.t, err)
	l.used("q", "secrets", "1", "configmaps", "1", "count/replicasets.apps", "1", "requests.storage", "3Gi",
		"persistentvolumeclaims", "1", "gold.storageclass.storage.k8s.io/requests.storage", "3Gi")
	_, err = core.Secrets(l.namespace).Create(l.t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "p"}}, metav1.CreateOptions{})
	l.refused(err, `secrets "p" is forbidden: exceeded quota: q, requested: secrets=1, used: secrets=1, limited: secrets=1`)

	require.NoError(l.t, core.Secrets(l.namespace).Delete(l.t.Context(), "o", metav1.DeleteOptions{}))
	require.NoError(l.t, core.ConfigMaps(l.namespace).Delete(l.t.Context(), "o", metav1.DeleteOptions{}))
	require.NoError(l.t, l.Client.AppsV1().ReplicaSets(l.namespace).Delete(l.t.Context(), "o", metav1.DeleteOptions{PropagationPolicy: ptr.To(metav1.DeletePropagationBackground)}))
	l.used("q", "secrets", "0", "configmaps", "0", "count/replicasets.apps", "0")
}

func bestEffort(l *live) {
	l.quota("best", list("pods", "5"), corev1.ResourceQuotaScopeBestEffort)
	l.quota("other", list("pods", "5"), corev1.ResourceQuotaScopeNotBestEffort)
	l.used("best", "pods", "0")
	l.used("other", "pods", "0")
	l.Pod(l.t, l.namespace, "b")
	l.used("best", "pods", "1")
	l.used("other", "pods", "0")
	l.Pod(l.t, l.namespace, "o", resources(list("cpu", "500m"), nil))
	l.used("other", "pods", "1")
	l.used("best", "pods", "1")
	l.deletePod("b")
	l.deletePod("o")
	l.used("best", "pods", "0")
	l.used("other", "pods", "0")
}

func terminating(l *live) {
	hard := list("pods", "1", "requests.cpu", "1", "limits.cpu", "2")
	l.quota("ends", hard, corev1.ResourceQuotaScopeTerminating)
	l.quota("stays", hard, corev1.ResourceQuotaScopeNotTerminating)
	l.used("ends", "pods", "0")
	l.used("stays", "pods", "0")
	cpu := resources(list("cpu", "500m"), list("cpu", "1"))
	l.Pod(l.t, l.namespace, "p", cpu)
	l.used("stays", "pods", "1", "requests.cpu", "500m", "limits.cpu", "1")
	l.used("ends", "pods", "0", "requests.cpu", "0")
	_, err := l.Client.CoreV1().Pods(l.namespace).Patch(l.t.Context(), "p", types.MergePatchType, []byte(`{"spec":{"activeDeadlineSeconds":3600}}`), metav1.PatchOptions{})
	require.NoError(l.t, err)
	l.used("ends", "pods", "1", "requests.cpu", "500m")
	l.used("stays", "pods", "0", "requests.cpu", "0")
	_, err = l.TryPod(l.t.Context(), l.namespace, "q", cpu, func(p *corev1.Pod) { p.Spec.ActiveDeadlineSeconds = ptr.To[int64](10) })
	require.True(l.t, apierrors.IsForbidden(err), "%v", err)
	l.deletePod("p")
	l.used("ends", "pods", "0", "requests.cpu", "0")
}

// status: what somebody else writes into it is put right.
func status(l *live) {
	quotas := l.Client.CoreV1().ResourceQuotas(l.namespace)
	l.quota("q", list("cpu", "500m", "memory", "500Mi"))
	l.used("q", "cpu", "0")
	_, err := quotas.Patch(l.t.Context(), "q", types.StrategicMergePatchType, []byte(`{"spec":{"hard":{"cpu":"1","memory":"1Gi"}}}`), metav1.PatchOptions{})
	require.NoError(l.t, err)
	hardIs := func(cpu string) func() bool {
		return func() bool {
			q, err := quotas.Get(l.t.Context(), "q", metav1.GetOptions{})
			return err == nil && q.Status.Hard.Cpu().String() == cpu
		}
	}
	require.Eventually(l.t, hardIs("1"), controllertest.Wait, controllertest.Tick)
	patched, err := quotas.Patch(l.t.Context(), "q", types.StrategicMergePatchType, []byte(`{"status":{"hard":{"cpu":"2","memory":"2Gi"}}}`), metav1.PatchOptions{}, "status")
	require.NoError(l.t, err)
	require.Equal(l.t, "2", patched.Status.Hard.Cpu().String())
	require.Equal(l.t, "1", patched.Spec.Hard.Cpu().String())
	require.Eventually(l.t, hardIs("1"), controllertest.Wait, controllertest.Tick)
}

// together: no more get in than the quota has room for, however many ask at the
// same time, and room that is given back is used again.
func together(l *live) {
	l.quota("q", list("pods", "5"))
	l.used("q", "pods", "0")
	create := func(round string) int {
		var admitted atomic.Int32
		var asking sync.WaitGroup
		for i := range 20 {
			asking.Go(func() {
				_, err := l.TryPod(context.Background(), l.namespace, fmt.Sprintf("%s-%d", round, i))
				if err == nil {
					admitted.Add(1)
				}
			})
		}
		asking.Wait()
		return int(admitted.Load())
	}
	require.Equal(l.t, 5, create("a"))
	l.used("q", "pods", "5")
	require.NoError(l.t, l.Client.CoreV1().Pods(l.namespace).DeleteCollection(l.t.Context(), *metav1.NewDeleteOptions(0), metav1.ListOptions{}))
	l.used("q", "pods", "0")
	require.Equal(l.t, 5, create("b"))
}
