package apiserver_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/apiserver/apitest"
)

func TestObjectsAreStoredAndWatched(t *testing.T) {
	start := time.Now()
	s := apitest.Start(t)
	t.Log("ready after", time.Since(start))
	c := apitest.Admin(t, s).CoreV1().ConfigMaps("default")
	w, err := c.Watch(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	defer w.Stop()
	made, err := c.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Data: map[string]string{"k": "v"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.NotEmpty(t, made.UID)
	e := <-w.ResultChan()
	require.Equal(t, "a", e.Object.(*corev1.ConfigMap).Name)
}
