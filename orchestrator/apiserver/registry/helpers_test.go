package registry_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/lubberline/lubberline/orchestrator/apiserver"
	"github.com/lubberline/lubberline/orchestrator/apiserver/apitest"
)

var (
	create = metav1.CreateOptions{}
	get    = metav1.GetOptions{}
	update = metav1.UpdateOptions{}
	remove = metav1.DeleteOptions{}
	list   = metav1.ListOptions{}
)

// start runs a server whose default namespace takes pods.
func start(t testing.TB, change ...func(*apiserver.Options)) (*apiserver.Server, kubernetes.Interface) {
	t.Helper()
	s := apitest.Start(t, change...)
	c := apitest.Admin(t, s)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	if _, err := c.CoreV1().ServiceAccounts("default").Create(t.Context(), account, create); !apierrors.IsAlreadyExists(err) {
		require.NoError(t, err)
	}
	return s, c
}

// parse reads an object in YAML.
func parse[T runtime.Object](t testing.TB, text string) T {
	t.Helper()
	content, err := yaml.YAMLToJSON([]byte(text))
	require.NoError(t, err, text)
	object, _, err := scheme.Codecs.UniversalDeserializer().Decode(content, nil, nil)
	require.NoError(t, err, text)
	return object.(T)
}

// requireStatus checks what a refused client is told.
func requireStatus(t testing.TB, err error, code int32, message string) {
	t.Helper()
	require.Error(t, err)
	var status apierrors.APIStatus
	require.ErrorAs(t, err, &status)
	require.Equal(t, code, status.Status().Code, err)
	require.Equal(t, message, status.Status().Message)
}
