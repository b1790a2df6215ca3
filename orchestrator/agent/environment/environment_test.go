package environment

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"github.com/lubberline/lubberline/orchestrator/agent/environment/downward"
)

// objects is a source of ConfigMaps and Secrets by "namespace/name".
type objects struct {
	configMaps map[string]*corev1.ConfigMap
	secrets    map[string]*corev1.Secret
}

func (o objects) ConfigMap(_ context.Context, namespace, name string) (*corev1.ConfigMap, error) {
	if m := o.configMaps[namespace+"/"+name]; m != nil {
		return m, nil
	}
	return nil, apierrors.NewNotFound(corev1.Resource("configmap"), name)
}

func (o objects) Secret(_ context.Context, namespace, name string) (*corev1.Secret, error) {
	if s := o.secrets[namespace+"/"+name]; s != nil {
		return s, nil
	}
	return nil, apierrors.NewNotFound(corev1.Resource("secret"), name)
}

type rig struct {
	*Environment
	events *record.FakeRecorder
	dir    string
}

func newRig(t *testing.T, services ...*corev1.Service) *rig {
	index := cache.NewIndexer(cache.MetaNamespaceKeyFunc, nil)
	for _, s := range services {
		require.NoError(t, index.Add(s))
	}
	r := &rig{events: record.NewFakeRecorder(10), dir: t.TempDir()}
	e, err := New(Options{
		Objects: objects{
			configMaps: map[string]*corev1.ConfigMap{"ns/cm": {Data: map[string]string{"a": "1", "b-c": "2"}}},
			secrets:    map[string]*corev1.Secret{"ns/s": {Data: map[string][]byte{"p": []byte("word")}}},
		},
		Services: corelisters.NewServiceLister(index),
		Host: func() downward.Host {
			return downward.Host{IPs: []string{"192.0.2.1", "2001:db8::1"}, Allocatable: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("3900m"), corev1.ResourceMemory: resource.MustParse("8Gi")}}
		},
		DNS:    DNS{Servers: []string{"10.96.0.10"}, Domain: "cluster.local"},
		Events: r.events,
		PodDir: func(uid types.UID) string { return filepath.Join(r.dir, string(uid)) },
	})
	require.NoError(t, err)
	r.Environment = e
	return r
}

func pod() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "web-1", UID: "u1",
			Labels: map[string]string{"app": "web"}, Annotations: map[string]string{"x/Y": "z"}},
		Spec: corev1.PodSpec{NodeName: "n1", ServiceAccountName: "default", EnableServiceLinks: new(false)},
	}
}

// env returns the variables as a map.
func (r *rig) env(t *testing.T, p *corev1.Pod, c *corev1.Container) map[string]string {
	t.Helper()
	list, err := r.Env(t.Context(), p, c, []string{"10.244.0.5"})
	require.NoError(t, err)
	m := values(list)
	require.Len(t, list, len(m), "no name twice")
	return m
}

func TestVariablesReferToEachOther(t *testing.T) {
	r := newRig(t)
	list, err := r.Env(t.Context(), pod(), &corev1.Container{Env: []corev1.EnvVar{
		{Name: "A", Value: "one"},
		{Name: "B", Value: "$(A)-two $(LATER) $$(A)"},
		{Name: "LATER", Value: "x"},
		{Name: "A", Value: "again"},
		{Name: "EMPTY"},
	}}, nil)
	require.NoError(t, err)
	var got []string
	for _, v := range list {
		got = append(got, v.Key+"="+string(v.Value))
	}
	require.Equal(t, []string{"A=again", "B=one-two $(LATER) $(A)", "LATER=x", "EMPTY="}, got)
}

func TestVariablesFromObjects(t *testing.T) {
	r := newRig(t)
	got := r.env(t, pod(), &corev1.Container{
		EnvFrom: []corev1.EnvFromSource{
			{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: named("cm")}},
			{Prefix: "1-", SecretRef: &corev1.SecretEnvSource{LocalObjectReference: named("s")}},
			{Prefix: "no=", SecretRef: &corev1.SecretEnvSource{LocalObjectReference: named("s")}},
			{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: named("none"), Optional: new(true)}},
		},
		Env: []corev1.EnvVar{
			{Name: "a", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: named("s"), Key: "p"}}},
			{Name: "c", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: named("cm"), Key: "none", Optional: new(true)}}},
		},
	})
	require.Equal(t, map[string]string{"a": "word", "b-c": "2", "1-p": "word"}, got)
	require.Equal(t, "Warning InvalidEnvironmentVariableNames Keys [no=p] from the EnvFrom Secret ns/s were skipped since they are considered invalid environment variable names.", <-r.events.Events)
}

func named(name string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: name} }

func TestErrorsAreWordedAsKubernetesWordsThem(t *testing.T) {
	r := newRig(t)
	f := func(from corev1.EnvVarSource, want string) {
		t.Helper()
		_, err := r.Env(t.Context(), pod(), &corev1.Container{Env: []corev1.EnvVar{{Name: "A", ValueFrom: &from}}}, nil)
		require.EqualError(t, err, want)
	}
	f(corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: named("x"), Key: "k"}}, `configmap "x" not found`)
	f(corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: named("x"), Key: "k"}}, `secret "x" not found`)
	f(corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: named("cm"), Key: "k"}}, `couldn't find key k in ConfigMap ns/cm`)
	f(corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: named("s"), Key: "k"}}, `couldn't find key k in Secret ns/s`)
	f(corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.phase"}}, `unsupported fieldPath: status.phase`)
	f(corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{ContainerName: "z", Resource: "limits.cpu"}}, `container z not found`)

	r.o.ServicesSynced = func() bool { return false }
	_, err := r.Env(t.Context(), pod(), &corev1.Container{}, nil)
	require.ErrorContains(t, err, "services have not yet been read at least once")
}

func TestFieldsAndResources(t *testing.T) {
	r := newRig(t)
	field := func(path string) string {
		return r.env(t, pod(), &corev1.Container{Env: []corev1.EnvVar{{Name: "A", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}}}})["A"]
	}
	for path, want := range map[string]string{
		"metadata.name": "web-1", "metadata.namespace": "ns", "metadata.uid": "u1", "spec.nodeName": "n1",
		"spec.serviceAccountName": "default", "status.podIP": "10.244.0.5", "status.podIPs": "10.244.0.5",
		"status.hostIP": "192.0.2.1", "status.hostIPs": "192.0.2.1,2001:db8::1",
		"metadata.labels['app']": "web", "metadata.annotations['x/Y']": "z", "metadata.labels": `app="web"`,
	} {
		require.Equal(t, want, field(path), path)
	}
	c := &corev1.Container{Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("33Mi")}}}
	amount := func(name, divisor string) string {
		c.Env = []corev1.EnvVar{{Name: "A", ValueFrom: &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: name, Divisor: resource.MustParse(divisor)}}}}
		return r.env(t, pod(), c)["A"]
	}
	require.Equal(t, "1", amount("requests.cpu", "0"))
	require.Equal(t, "250", amount("requests.cpu", "1m"))
	require.Equal(t, "33", amount("requests.memory", "1Mi"))
	require.Equal(t, "4", amount("limits.cpu", "0"), "what the node has, rounded up")
	require.Equal(t, "8589934592", amount("limits.memory", "0"))
	require.Equal(t, "0", amount("limits.hugepages-2Mi", "0"))
}

func TestServices(t *testing.T) {
	service := func(ns, name, ip string, ports ...corev1.ServicePort) *corev1.Service {
		return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Spec: corev1.ServiceSpec{ClusterIP: ip, Ports: ports}}
	}
	r := newRig(t,
		service("default", "kubernetes", "10.96.0.1", corev1.ServicePort{Name: "https", Port: 443}),
		service("ns", "my-db", "10.96.0.2", corev1.ServicePort{Name: "sql", Port: 5432}, corev1.ServicePort{Name: "u", Port: 53, Protocol: corev1.ProtocolUDP}),
		service("ns", "headless", "None", corev1.ServicePort{Port: 1}),
		service("other", "web", "10.96.0.3", corev1.ServicePort{Port: 80}))
	p := pod()
	got := r.env(t, p, &corev1.Container{Env: []corev1.EnvVar{{Name: "U", Value: "https://$(KUBERNETES_SERVICE_HOST)"}}})
	require.Equal(t, "https://10.96.0.1", got["U"])
	require.NotContains(t, got, "MY_DB_SERVICE_HOST")

	p.Spec.EnableServiceLinks = new(true)
	got = r.env(t, p, &corev1.Container{})
	for name, want := range map[string]string{
		"MY_DB_SERVICE_HOST": "10.96.0.2", "MY_DB_SERVICE_PORT": "5432", "MY_DB_SERVICE_PORT_SQL": "5432", "MY_DB_SERVICE_PORT_U": "53",
		"MY_DB_PORT": "tcp://10.96.0.2:5432", "MY_DB_PORT_5432_TCP": "tcp://10.96.0.2:5432", "MY_DB_PORT_5432_TCP_PROTO": "tcp",
		"MY_DB_PORT_5432_TCP_PORT": "5432", "MY_DB_PORT_5432_TCP_ADDR": "10.96.0.2", "MY_DB_PORT_53_UDP": "udp://10.96.0.2:53",
		"KUBERNETES_SERVICE_PORT_HTTPS": "443",
	} {
		require.Equal(t, want, got[name], name)
	}
	require.NotContains(t, got, "HEADLESS_SERVICE_HOST")
	require.NotContains(t, got, "WEB_SERVICE_HOST")
}

func TestHostsFile(t *testing.T) {
	r, p := newRig(t), pod()
	p.Spec.Subdomain = "sub"
	p.Spec.HostAliases = []corev1.HostAlias{{IP: "123.45.67.89", Hostnames: []string{"foo", "bar"}}}
	path, err := r.HostsFile(p, []string{"10.244.0.5"})
	require.NoError(t, err)
	first, err := os.Stat(path)
	require.NoError(t, err)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, managedHeader+loopbackHosts+"10.244.0.5\tweb-1.sub.ns.svc.cluster.local\tweb-1\n"+
		"\n# Entries added by HostAliases.\n123.45.67.89\tfoo\tbar\n", string(content))

	p.Spec.HostNetwork = true
	_, err = r.HostsFile(p, nil)
	require.NoError(t, err)
	content, err = os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(content), managedHostHeader)
	second, err := os.Stat(path)
	require.NoError(t, err)
	require.True(t, os.SameFile(first, second), "written in place")
	require.Equal(t, os.FileMode(0o644), second.Mode())
}

func TestCommandAndSubPath(t *testing.T) {
	r := newRig(t)
	env, err := r.Env(t.Context(), pod(), &corev1.Container{Env: []corev1.EnvVar{{Name: "A", Value: "x"}, {Name: "E"}}}, nil)
	require.NoError(t, err)
	command, args := r.Command(&corev1.Container{Command: []string{"sh", "$(A)"}, Args: []string{"$(NONE)", "$$(A)"}}, env)
	require.Equal(t, []string{"sh", "x"}, command)
	require.Equal(t, []string{"$(NONE)", "$(A)"}, args)

	sub, err := r.SubPath("d/$(A)", env)
	require.NoError(t, err)
	require.Equal(t, "d/x", sub)
	_, err = r.SubPath("$(Z)/$(E)", env)
	require.EqualError(t, err, "missing value for E, Z")
}
