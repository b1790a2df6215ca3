package join

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/utils/clock"
)

func TestCleaner(t *testing.T) {
	now := time.Now()
	client := fake.NewClientset()
	secrets := client.CoreV1().Secrets(metav1.NamespaceSystem)
	keep := func(name string, ends time.Time, change func(data map[string][]byte)) {
		t.Helper()
		secret := NewSecret(Token{ID: name, Secret: "aaaaaaaaaaaaaaaa"}, "", ends)
		secret.Data = map[string][]byte{}
		for key, value := range secret.StringData {
			secret.Data[key] = []byte(value)
		}
		change(secret.Data)
		_, err := secrets.Create(t.Context(), secret, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	as := func(map[string][]byte) {}
	keep("aaaaaa", now.Add(-time.Second), as)
	keep("bbbbbb", now.Add(time.Hour), as)
	keep("cccccc", time.Time{}, as)
	keep("dddddd", now, func(data map[string][]byte) { data[keyExpiration] = []byte("soon") })
	keep("eeeeee", now.Add(-time.Second), func(data map[string][]byte) { data[keyID] = []byte("ffffff") })
	c := &Cleaner{Client: client, Clock: clock.RealClock{}, Logger: slog.New(slog.DiscardHandler)}
	require.NoError(t, c.clean(t.Context()))
	list, err := secrets.List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	var left []string
	for _, s := range list.Items {
		left = append(left, s.Name)
	}
	require.ElementsMatch(t, []string{"bootstrap-token-bbbbbb", "bootstrap-token-cccccc", "bootstrap-token-dddddd", "bootstrap-token-eeeeee"}, left)
}
