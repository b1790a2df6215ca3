package sliceindex

import (
	"testing"

	"github.com/stretchr/testify/require"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
)

func slice(namespace, service, name string) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	if service != "" {
		s.Labels = map[string]string{discoveryv1.LabelServiceName: service}
	}
	return s
}

func TestOfService(t *testing.T) {
	informer := informers.NewSharedInformerFactory(fake.NewClientset(), 0).Discovery().V1().EndpointSlices().Informer()
	x, err := Of(informer)
	require.NoError(t, err)
	again, err := Of(informer)
	require.NoError(t, err, "another part may have asked before")
	for _, s := range []*discoveryv1.EndpointSlice{
		slice("a", "web", "web-1"), slice("a", "web", "web-2"), slice("b", "web", "web-3"), slice("a", "", "of-nobody"),
	} {
		require.NoError(t, informer.GetIndexer().Add(s))
	}
	names := func(x Index, key string) (all []string) {
		for _, s := range x.OfService(key) {
			all = append(all, s.Name)
		}
		return all
	}
	require.ElementsMatch(t, []string{"web-1", "web-2"}, names(x, "a/web"))
	require.ElementsMatch(t, []string{"web-3"}, names(again, "b/web"))
	require.Empty(t, names(x, "a/"))
	require.Empty(t, names(x, "c/web"))
}
