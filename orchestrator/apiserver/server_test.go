package apiserver_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"

	"github.com/lubberline/lubberline/orchestrator/apiserver"
	"github.com/lubberline/lubberline/orchestrator/apiserver/access"
	"github.com/lubberline/lubberline/orchestrator/apiserver/apitest"
)

// overNetwork is a client with the administrator's kubeconfig.
func overNetwork(t *testing.T, s *apiserver.Server) (*rest.Config, kubernetes.Interface) {
	t.Helper()
	cfg, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig())
	require.NoError(t, err)
	return cfg, client(t, cfg)
}

func client(t *testing.T, cfg *rest.Config) kubernetes.Interface {
	t.Helper()
	c, err := kubernetes.NewForConfig(cfg)
	require.NoError(t, err)
	return c
}

func configMap(name, value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"k": value}}
}

func TestObjectsAreStoredAndWatched(t *testing.T) {
	s := apitest.Start(t)
	_, network := overNetwork(t, s)
	for _, c := range []kubernetes.Interface{apitest.Admin(t, s), network} {
		maps := c.CoreV1().ConfigMaps("default")
		w, err := maps.Watch(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		made, err := maps.Create(t.Context(), configMap("a", "v"), metav1.CreateOptions{})
		require.NoError(t, err)
		require.NotEmpty(t, made.UID)
		require.Equal(t, "a", (<-w.ResultChan()).Object.(*corev1.ConfigMap).Name)
		w.Stop()
		for range w.ResultChan() { // it ends
		}
		require.NoError(t, maps.Delete(t.Context(), "a", metav1.DeleteOptions{}))
	}
}

func TestEverythingIsThereAfterARestart(t *testing.T) {
	dir := t.TempDir()
	run := func(use func(kubernetes.Interface)) {
		s, err := apiserver.New(t.Context(), apiserver.Options{DataDir: dir, Listen: []string{"127.0.0.1:0"}, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		<-s.Ready()
		_, c := overNetwork(t, s)
		use(c)
		cancel()
		require.NoError(t, <-done)
	}
	var token string
	run(func(c kubernetes.Interface) {
		_, err := c.CoreV1().ConfigMaps("default").Create(t.Context(), configMap("kept", "v"), metav1.CreateOptions{})
		require.NoError(t, err)
		_, err = c.CoreV1().ServiceAccounts("default").Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "sa"}}, metav1.CreateOptions{})
		require.NoError(t, err)
		answer, err := c.CoreV1().ServiceAccounts("default").CreateToken(t.Context(), "sa", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		require.NoError(t, err)
		token = answer.Status.Token
	})
	run(func(c kubernetes.Interface) {
		kept, err := c.CoreV1().ConfigMaps("default").Get(t.Context(), "kept", metav1.GetOptions{})
		require.NoError(t, err)
		require.Equal(t, "v", kept.Data["k"])
		review, err := c.AuthenticationV1().TokenReviews().Create(t.Context(), &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}, metav1.CreateOptions{})
		require.NoError(t, err)
		require.True(t, review.Status.Authenticated, review.Status.Error)
	})
}

func TestApplyKnowsItsManagers(t *testing.T) {
	s := apitest.Start(t)
	maps := apitest.Admin(t, s).CoreV1().ConfigMaps("default")
	apply := func(manager, value string, force bool) error {
		_, err := maps.Apply(t.Context(), applycorev1.ConfigMap("a", "default").WithData(map[string]string{"k": value}), metav1.ApplyOptions{FieldManager: manager, Force: force})
		return err
	}
	require.NoError(t, apply("one", "1", false))
	err := apply("two", "2", false)
	require.True(t, apierrors.IsConflict(err))
	require.EqualError(t, err, `Apply failed with 1 conflict: conflict with "one": .data.k`)
	require.NoError(t, apply("two", "2", true))
}

// TestStatusHasItsOwnManagers: who applies an object with a status does not
// become the manager of the status, and the other way round.
func TestStatusHasItsOwnManagers(t *testing.T) {
	s := apitest.Start(t)
	controllers := apitest.Admin(t, s).CoreV1().ReplicationControllers("default")
	labels := map[string]string{"a": "b"}
	rc := applycorev1.ReplicationController("rc", "default").
		WithSpec(applycorev1.ReplicationControllerSpec().WithReplicas(1).WithSelector(labels).WithTemplate(applycorev1.PodTemplateSpec().
			WithLabels(labels).WithSpec(applycorev1.PodSpec().WithContainers(applycorev1.Container().WithName("c").WithImage("i"))))).
		WithStatus(applycorev1.ReplicationControllerStatus().WithReplicas(3))
	made, err := controllers.Apply(t.Context(), rc, metav1.ApplyOptions{FieldManager: "spec"})
	require.NoError(t, err)
	require.Zero(t, made.Status.Replicas)
	made, err = controllers.ApplyStatus(t.Context(), rc, metav1.ApplyOptions{FieldManager: "status"})
	require.NoError(t, err)
	require.Equal(t, int32(3), made.Status.Replicas)
	require.Len(t, made.ManagedFields, 2)
	for _, m := range made.ManagedFields {
		switch m.Manager {
		case "spec":
			require.NotContains(t, m.FieldsV1.GetRawString(), "f:status")
		case "status":
			require.NotContains(t, m.FieldsV1.GetRawString(), "f:spec")
		}
	}
}

func TestEventsAreOneInTwoGroups(t *testing.T) {
	s := apitest.Start(t)
	c := apitest.Admin(t, s)
	_, err := c.CoreV1().Events("default").Create(t.Context(), &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: "e", Namespace: "default"}, Reason: "Because", Message: "it was so", Type: "Normal",
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "default", Name: "p"}, Source: corev1.EventSource{Component: "kubelet"},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	same, err := c.EventsV1().Events("default").Get(t.Context(), "e", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "it was so", same.Note)
	require.Equal(t, "p", same.Regarding.Name)
	require.Equal(t, "kubelet", same.DeprecatedSource.Component)
	for selector, want := range map[string]int{"regarding.name=p,reason=Because": 1, "regarding.name=q": 0} {
		list, err := c.EventsV1().Events("default").List(t.Context(), metav1.ListOptions{FieldSelector: selector})
		require.NoError(t, err)
		require.Len(t, list.Items, want, selector)
	}
	for selector, want := range map[string]int{"involvedObject.kind=Pod,source=kubelet,type=Normal": 1, "type=Warning": 0} {
		list, err := c.CoreV1().Events("default").List(t.Context(), metav1.ListOptions{FieldSelector: selector})
		require.NoError(t, err)
		require.Len(t, list.Items, want, selector)
	}
	_, err = c.CoreV1().Events("default").List(t.Context(), metav1.ListOptions{FieldSelector: "note=x"})
	require.ErrorContains(t, err, "field label not supported: note")
}

func TestSystemObjectsComeBack(t *testing.T) {
	s := apitest.Start(t, func(o *apiserver.Options) { o.Advertise = netip.MustParseAddr("192.0.2.1") })
	c := apitest.Admin(t, s)
	service, err := c.CoreV1().Services("default").Get(t.Context(), "kubernetes", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "10.96.0.1", service.Spec.ClusterIP)
	for _, name := range []string{"default", "kube-system", "kube-public", "kube-node-lease"} {
		_, err := c.CoreV1().Namespaces().Get(t.Context(), name, metav1.GetOptions{})
		require.NoError(t, err, name)
	}
	slice, err := c.DiscoveryV1().EndpointSlices("default").Get(t.Context(), "kubernetes", metav1.GetOptions{})
	require.NoError(t, err)
	port := *slice.Ports[0].Port
	slice.Ports[0].Port = ptr.To[int32](1)
	_, err = c.DiscoveryV1().EndpointSlices("default").Update(t.Context(), slice, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.NoError(t, c.CoreV1().Services("default").Delete(t.Context(), "kubernetes", metav1.DeleteOptions{}))
	require.NoError(t, c.CoreV1().Endpoints("default").Delete(t.Context(), "kubernetes", metav1.DeleteOptions{}))
	require.NoError(t, s.Reconcile(t.Context()))
	_, err = c.CoreV1().Services("default").Get(t.Context(), "kubernetes", metav1.GetOptions{})
	require.NoError(t, err)
	_, err = c.CoreV1().Endpoints("default").Get(t.Context(), "kubernetes", metav1.GetOptions{})
	require.NoError(t, err)
	slice, err = c.DiscoveryV1().EndpointSlices("default").Get(t.Context(), "kubernetes", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, port, *slice.Ports[0].Port)
}

func TestWhoMayWhat(t *testing.T) {
	s := apitest.Start(t, func(o *apiserver.Options) {
		o.Roles = []access.Binding{{Role: access.View, ServiceAccounts: []string{"default:reader"}}}
	})
	admin := apitest.Admin(t, s)
	for _, name := range []string{"reader", "other"} {
		_, err := admin.CoreV1().ServiceAccounts("default").Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	network, _ := overNetwork(t, s)
	with := func(account string) kubernetes.Interface {
		answer, err := admin.CoreV1().ServiceAccounts("default").CreateToken(t.Context(), account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		require.NoError(t, err)
		cfg := rest.AnonymousClientConfig(network)
		cfg.BearerToken = answer.Status.Token
		return client(t, cfg)
	}
	_, err := with("reader").CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	_, err = with("other").CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
	require.EqualError(t, err, `pods is forbidden: User "system:serviceaccount:default:other" cannot list resource "pods" in API group "" at the cluster scope`)
	who, err := with("other").AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Equal(t, "system:serviceaccount:default:other", who.Status.UserInfo.Username)

	anonymous := client(t, rest.AnonymousClientConfig(network))
	_, err = anonymous.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
	require.True(t, apierrors.IsForbidden(err))
	version, err := anonymous.Discovery().ServerVersion()
	require.NoError(t, err)
	require.Equal(t, "v1.37.2", version.GitVersion)

	forged := rest.AnonymousClientConfig(network)
	forged.BearerToken = "x"
	_, err = client(t, forged).Discovery().ServerVersion()
	require.True(t, apierrors.IsUnauthorized(err))
}

func TestMetricsAreTheAggregators(t *testing.T) {
	aggregator := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("a client's token is nobody else's")
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"path":"` + r.URL.Path + `"}`))
	}))
	s := apitest.Start(t, func(o *apiserver.Options) { o.MetricsAPI = aggregator.URL })
	c := apitest.Admin(t, s)
	groups, err := c.Discovery().ServerResourcesForGroupVersion("metrics.k8s.io/v1beta1")
	require.NoError(t, err)
	require.Len(t, groups.APIResources, 2)
	get := func(c kubernetes.Interface) ([]byte, error) {
		return c.CoreV1().RESTClient().Get().AbsPath("/apis/metrics.k8s.io/v1beta1/nodes").SetHeader("Authorization", "Bearer x").DoRaw(t.Context())
	}
	answer, err := get(c)
	require.NoError(t, err)
	require.JSONEq(t, `{"path":"/apis/metrics.k8s.io/v1beta1/nodes"}`, string(answer))
	_, err = get(client(t, s.ClientConfig("nobody")))
	require.True(t, apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err))

	aggregator.Close()
	_, err = get(c)
	require.True(t, apierrors.IsServiceUnavailable(err))
	_, err = c.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err, "only that group is away")
}

func TestDocumentsDescribeTheKinds(t *testing.T) {
	s := apitest.Start(t)
	c := apitest.Admin(t, s)
	v2, err := c.Discovery().OpenAPISchema()
	require.NoError(t, err)
	require.Equal(t, "v1.37.2", v2.Info.Version)
	paths, err := c.Discovery().OpenAPIV3().Paths()
	require.NoError(t, err)
	for _, path := range []string{"api/v1", "apis/apps/v1", "apis/policy/v1"} {
		require.Contains(t, paths, path)
	}
	document, err := paths["apis/apps/v1"].Schema("application/json")
	require.NoError(t, err)
	require.Contains(t, string(document), "io.k8s.api.apps.v1.DeploymentSpec")
	require.NotContains(t, string(document), "statefulsets", "it is not served")
}

func TestManyStopsAndStarts(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		s, err := apiserver.New(t.Context(), apiserver.Options{DataDir: dir, Listen: []string{"127.0.0.1:0"}})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		cancel() // before, while or after it becomes ready
		select {
		case err := <-done:
			require.NoError(t, err)
		case <-time.After(10 * time.Second):
			require.Fail(t, "it does not end")
		}
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	for want, o := range map[string]apiserver.Options{
		"API server: no data directory":         {Listen: []string{"127.0.0.1:0"}},
		"API server: no address to listen on":   {DataDir: t.TempDir()},
		"API server: listen on 127.0.0.1:99999": {DataDir: t.TempDir(), Listen: []string{"127.0.0.1:0", "127.0.0.1:99999"}},
		`API server: roles[0]: role "x"`:        {DataDir: t.TempDir(), Listen: []string{"127.0.0.1:0"}, Roles: []access.Binding{{Role: "x", Users: []string{"a"}}}},
	} {
		_, err := apiserver.New(t.Context(), o)
		require.ErrorContains(t, err, want)
	}
}

// TestMetricsElsewhere: another server is asked once, and never asks back.
func TestMetricsElsewhere(t *testing.T) {
	says := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
	}
	here := httptest.NewServer(says("here"))
	defer here.Close()
	var elsewhere http.Handler
	s := apitest.Start(t, func(o *apiserver.Options) {
		o.MetricsAPI, o.MetricsElsewhere = here.URL, func() http.Handler { return elsewhere }
	})
	client := apitest.Admin(t, s).CoreV1().RESTClient()
	ask := func(forwarded http.Header) string {
		request := client.Get().AbsPath("/apis/metrics.k8s.io/v1beta1/nodes")
		for name, values := range forwarded {
			request.SetHeader(name, values...)
		}
		body, err := request.DoRaw(t.Context())
		require.NoError(t, err)
		return string(body)
	}
	require.Equal(t, "here", ask(nil))
	elsewhere = says("elsewhere")
	require.Equal(t, "elsewhere", ask(nil))
	require.Equal(t, "here", ask(apiserver.Forwarded(http.Header{"Authorization": {"secret"}})))
	require.NotContains(t, apiserver.Forwarded(http.Header{"Authorization": {"secret"}}), "Authorization")
}
