package registry_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestLargestConfigMap(t *testing.T) {
	_, c := start(t)
	maps := c.CoreV1().ConfigMaps("default")
	large := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "large"}, Data: map[string]string{"a": strings.Repeat("x", 1<<20)}}
	made, err := maps.Create(t.Context(), large, create)
	require.NoError(t, err)
	require.Len(t, made.Data["a"], 1<<20)
	large.Name, large.Data["b"] = "larger", "y"
	_, err = maps.Create(t.Context(), large, create)
	requireStatus(t, err, 422, `ConfigMap "larger" is invalid: []: Too long: may not be more than 1048576 bytes`)
	large.Data["a"] = strings.Repeat("x", 4<<20)
	_, err = maps.Create(t.Context(), large, create)
	require.ErrorContains(t, err, "Request entity too large: limit is 3145728")
}

func TestGeneratedNames(t *testing.T) {
	_, c := start(t)
	maps, seen := c.CoreV1().ConfigMaps("default"), map[string]bool{}
	for range 20 {
		made, err := maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "c-"}}, create)
		require.NoError(t, err)
		require.Regexp(t, `^c-[bcdfghjklmnpqrstvwxz2456789]{5}$`, made.Name)
		require.False(t, seen[made.Name])
		seen[made.Name] = true
	}
}
