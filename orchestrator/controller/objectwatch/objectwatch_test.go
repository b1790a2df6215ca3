package objectwatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	v1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	metadatafake "k8s.io/client-go/metadata/fake"
)

// discoveries answer one after the other; the last again and again.
type discoveries struct {
	answers []answer
}

type answer struct {
	lists []*v1.APIResourceList
	err   error
}

func (d *discoveries) ServerPreferredResources() ([]*v1.APIResourceList, error) {
	a := d.answers[0]
	if len(d.answers) > 1 {
		d.answers = d.answers[1:]
	}
	return a.lists, a.err
}

func resources(gv string, all ...v1.APIResource) *v1.APIResourceList {
	return &v1.APIResourceList{GroupVersion: gv, APIResources: all}
}

func kind(resource, kind string, verbs ...string) v1.APIResource {
	if verbs == nil {
		verbs = []string{"get", "list", "watch", "delete"}
	}
	return v1.APIResource{Name: resource, Kind: kind, Namespaced: true, Verbs: verbs}
}

func core() *v1.APIResourceList {
	return resources("v1", kind("pods", "Pod"), kind("configmaps", "ConfigMap"), kind("events", "Event"), kind("bindings", "Binding", "create"))
}

type told struct {
	mu   sync.Mutex
	what []string
}

func (l *told) handle(k *Kind, old, current v1.Object) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := func(o v1.Object) string {
		if o == nil {
			return "-"
		}
		return fmt.Sprintf("%T %s", o, o.GetName())
	}
	l.what = append(l.what, fmt.Sprintf("%s: %s, %s", k.Kind, name(old), name(current)))
}

func (l *told) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.what
	l.what = nil
	return all
}

// bench is a Watcher over a fake server, which runs until the test ends.
type bench struct {
	w        *Watcher
	told     told
	client   *fake.Clientset
	metadata *metadatafake.FakeMetadataClient
}

func newBench(t *testing.T, answers ...answer) (b *bench, end func()) {
	scheme := metadatafake.NewTestScheme()
	require.NoError(t, v1.AddMetaToScheme(scheme))
	configMap := &v1.PartialObjectMetadata{
		TypeMeta: v1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: v1.ObjectMeta{Namespace: "n", Name: "c", Labels: map[string]string{"a": "b"}, Finalizers: []string{"f"},
			OwnerReferences: []v1.OwnerReference{{Name: "o"}}},
	}
	b = &bench{
		client:   fake.NewClientset(&corev1.Pod{ObjectMeta: v1.ObjectMeta{Namespace: "n", Name: "p"}}),
		metadata: metadatafake.NewSimpleMetadataClient(scheme, configMap),
	}
	factory := informers.NewSharedInformerFactory(b.client, 0)
	var err error
	b.w, err = New(Options{
		Metadata: b.metadata, Discovery: &discoveries{answers}, Informers: factory, Logger: slog.New(slog.DiscardHandler),
		Shared: []schema.GroupVersionResource{corev1.SchemeGroupVersion.WithResource("pods")},
	})
	require.NoError(t, err)
	b.w.Subscribe(b.told.handle)
	ctx, cancel := context.WithCancel(t.Context())
	factory.Start(ctx.Done())
	done := make(chan error, 1)
	go func() { done <- b.w.Run(ctx) }()
	return b, func() {
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		factory.Shutdown()
	}
}

func TestEveryKindIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, end := newBench(t, answer{lists: []*v1.APIResourceList{core()}})
		defer end()
		<-b.w.HasSyncedChecker().Done()
		require.ElementsMatch(t, []string{"Pod: -, *v1.Pod p", "ConfigMap: -, *v1.PartialObjectMetadata c"}, b.told.take())
		configMaps := corev1.SchemeGroupVersion.WithResource("configmaps")
		require.NoError(t, b.metadata.Resource(configMaps).Namespace("n").Delete(t.Context(), "c", v1.DeleteOptions{}))
		require.NoError(t, b.client.CoreV1().Pods("n").Delete(t.Context(), "p", v1.DeleteOptions{}))
		synctest.Wait()
		require.ElementsMatch(t, []string{"Pod: *v1.Pod p, -", "ConfigMap: *v1.PartialObjectMetadata c, -"}, b.told.take())

		k, ok := b.w.Lookup(corev1.SchemeGroupVersion.WithKind("Event"))
		require.True(t, ok)
		require.Equal(t, Kind{corev1.SchemeGroupVersion.WithResource("events"), "Event", true}, k)
		require.Equal(t, "v1", k.APIVersion())
		_, ok = b.w.Lookup(schema.GroupVersionKind{Version: "v2", Kind: "Pod"})
		require.False(t, ok)
		require.Len(t, b.w.Watched(), 2)
		_, err := b.w.Informer(configMaps)
		require.NoError(t, err)
		_, err = b.w.Informer(corev1.SchemeGroupVersion.WithResource("events"))
		require.EqualError(t, err, "/v1, Resource=events is not watched")
	})
}

func TestWhatIsDiscoveredLaterIsAdded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := resources("v1", kind("pods", "Pod"))
		b, end := newBench(t,
			answer{err: errors.New("refused")},
			answer{lists: []*v1.APIResourceList{pods, resources("a/b/c")}, err: errors.New("a group is away")},
			answer{lists: []*v1.APIResourceList{core()}})
		defer end()
		synctest.Wait()
		require.Empty(t, b.told.take())
		<-b.w.HasSyncedChecker().Done()
		require.Equal(t, []string{"Pod: -, *v1.Pod p"}, b.told.take())
		time.Sleep(discoverAgain * 4)
		synctest.Wait()
		require.Equal(t, []string{"ConfigMap: -, *v1.PartialObjectMetadata c"}, b.told.take())
	})
}

func TestOnlyWhatIsUsedIsKept(t *testing.T) {
	now := v1.NewTime(time.Unix(1, 0))
	full := &v1.PartialObjectMetadata{ObjectMeta: v1.ObjectMeta{
		Namespace: "n", Name: "o", UID: "u", ResourceVersion: "1", Finalizers: []string{"f"}, DeletionTimestamp: &now,
		OwnerReferences: []v1.OwnerReference{{Name: "o"}}, Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"a": "b"},
		ManagedFields: []v1.ManagedFieldsEntry{{}},
	}}
	o, err := strip(full)
	require.NoError(t, err)
	wanted := full.DeepCopy()
	wanted.Labels, wanted.Annotations, wanted.ManagedFields = nil, nil, nil
	require.Equal(t, wanted, o)
	_, err = strip(runtime.Object(&corev1.Pod{}))
	require.Error(t, err)
}

func TestSharedResourcesHaveInformers(t *testing.T) {
	factory := informers.NewSharedInformerFactory(fake.NewClientset(), 0)
	_, err := New(Options{Informers: factory, Shared: SharedResources(), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	_, err = New(Options{Informers: factory, Shared: []schema.GroupVersionResource{{Resource: "nothing"}}})
	require.ErrorContains(t, err, "watch objects: ")
}
