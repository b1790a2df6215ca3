package apiserver_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	clientspdy "k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"

	"github.com/lubberline/lubberline/orchestrator/apiserver"
	"github.com/lubberline/lubberline/orchestrator/apiserver/apitest"
	"github.com/lubberline/lubberline/orchestrator/pki"
)

// kubelet answers as a node's agent does: it lets only the API server in, and
// speaks SPDY.
type kubelet struct {
	t *testing.T
}

func startKubelet(t *testing.T, s *apiserver.Server) (host string, port int32) {
	t.Helper()
	pair, err := s.PKI().Pair(pki.Request{Name: "kubelet", User: "system:node:n", Groups: []string{"system:nodes"}, Hosts: []string{"127.0.0.1"}})
	require.NoError(t, err)
	clients := x509.NewCertPool()
	require.True(t, clients.AppendCertsFromPEM(s.PKI().CA()))
	server := httptest.NewUnstartedServer(kubelet{t})
	server.Listener = tls.NewListener(server.Listener, &tls.Config{
		GetCertificate: pair.Certificate, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert,
	})
	server.Start()
	t.Cleanup(server.Close)
	host, text, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	number, err := strconv.Atoi(text)
	require.NoError(t, err)
	return host, int32(number)
}

func (k kubelet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.TLS.PeerCertificates[0].Subject.CommonName != "kube-apiserver-kubelet-client" {
		http.Error(w, "who are you", http.StatusForbidden)
		return
	}
	switch first := strings.Split(r.URL.Path, "/")[1]; first {
	case "containerLogs":
		k.log(w, r)
	case "exec", "attach":
		k.command(w, r)
	case "portForward":
		k.forward(w, r)
	default:
		fmt.Fprintf(w, "%s %s", r.Method, r.URL.RequestURI())
	}
}

func (k kubelet) log(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("previous") != "" {
		http.Error(w, "previous terminated container not found", http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "log of %s\n", r.URL.RequestURI())
}

// upgraded are the streams of a connection, by their type.
func (k kubelet) upgraded(w http.ResponseWriter, r *http.Request, protocol string, want int) map[string]httpstream.Stream {
	if _, err := httpstream.Handshake(r, w, []string{protocol}); err != nil {
		k.t.Error(err)
		return nil
	}
	opened := make(chan httpstream.Stream, want)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
		opened <- s
		return nil
	})
	if conn == nil {
		return nil
	}
	k.t.Cleanup(func() { _ = conn.Close() })
	all := map[string]httpstream.Stream{}
	for range want {
		s := <-opened
		all[s.Headers().Get("streamType")] = s
	}
	return all
}

// command answers "<request>: <stdin>" on stdout and ends with the status 3.
func (k kubelet) command(w http.ResponseWriter, r *http.Request) {
	streams := k.upgraded(w, r, "v4.channel.k8s.io", 3)
	if streams == nil {
		return
	}
	stdin, err := io.ReadAll(streams["stdin"])
	if err != nil {
		k.t.Error(err)
	}
	fmt.Fprintf(streams["stdout"], "%s: %s", r.URL.RequestURI(), stdin)
	fmt.Fprint(streams["error"], `{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}`)
	for _, s := range streams {
		_ = s.Close()
	}
}

// forward answers what it is sent in capitals.
func (k kubelet) forward(w http.ResponseWriter, r *http.Request) {
	streams := k.upgraded(w, r, "portforward.k8s.io", 2)
	if streams == nil {
		return
	}
	_ = streams["error"].Close()
	data := make([]byte, 5)
	if _, err := io.ReadFull(streams["data"], data); err != nil {
		k.t.Error(err)
	}
	_, _ = streams["data"].Write(bytes.ToUpper(data))
	_ = streams["data"].Close()
}

// onNode starts a server with a node and a pod on it.
func onNode(t *testing.T) (*apiserver.Server, *rest.Config, kubernetes.Interface) {
	t.Helper()
	s := apitest.Start(t)
	c := apitest.Admin(t, s)
	host, port := startKubelet(t, s)
	node, err := c.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: host}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = port
	_, err = c.CoreV1().Nodes().UpdateStatus(t.Context(), node, metav1.UpdateOptions{})
	require.NoError(t, err)
	_, err = c.CoreV1().ServiceAccounts("default").Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	p := pod("p")
	p.Spec.NodeName = "n"
	_, err = c.CoreV1().Pods("default").Create(t.Context(), p, metav1.CreateOptions{})
	require.NoError(t, err)
	cfg, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig())
	require.NoError(t, err)
	return s, cfg, c
}

func subresource(c kubernetes.Interface, name string, options any) *url.URL {
	r := c.CoreV1().RESTClient().Post().Resource("pods").Namespace("default").Name("p").SubResource(name)
	switch o := options.(type) {
	case *corev1.PodExecOptions:
		r.VersionedParams(o, scheme.ParameterCodec)
	case *corev1.PodAttachOptions:
		r.VersionedParams(o, scheme.ParameterCodec)
	}
	return r.URL()
}

func TestStreams(t *testing.T) {
	s, cfg, inProcess := onNode(t)
	c, err := kubernetes.NewForConfig(cfg)
	require.NoError(t, err)

	t.Run("logs", func(t *testing.T) {
		for _, c := range []kubernetes.Interface{c, inProcess} {
			lines := int64(5)
			data, err := c.CoreV1().Pods("default").GetLogs("p", &corev1.PodLogOptions{TailLines: &lines, Timestamps: true}).DoRaw(t.Context())
			require.NoError(t, err)
			require.Equal(t, "log of /containerLogs/default/p/c?tailLines=5&timestamps=true\n", string(data))
			_, err = c.CoreV1().Pods("default").GetLogs("p", &corev1.PodLogOptions{Previous: true}).Stream(t.Context())
			require.ErrorContains(t, err, "previous terminated container not found")
			_, err = c.CoreV1().Pods("default").GetLogs("p", &corev1.PodLogOptions{Container: "q"}).Stream(t.Context())
			require.EqualError(t, err, "container q is not valid for pod p")
		}
	})
	exec := &corev1.PodExecOptions{Command: []string{"a", "b c"}, Stdin: true, Stdout: true}
	attach := &corev1.PodAttachOptions{Stdin: true, Stdout: true}
	for what, c := range map[string]struct {
		url  *url.URL
		want string
	}{
		"exec":   {subresource(c, "exec", exec), "/exec/default/p/c?command=a&command=b+c&input=1&output=1: typed"},
		"attach": {subresource(c, "attach", attach), "/attach/default/p/c?input=1&output=1: typed"},
	} {
		t.Run(what, func(t *testing.T) {
			viaSPDY, err := remotecommand.NewSPDYExecutor(cfg, http.MethodPost, c.url)
			require.NoError(t, err)
			viaWebSocket, err := remotecommand.NewWebSocketExecutor(cfg, http.MethodGet, c.url.String())
			require.NoError(t, err)
			for _, executor := range []remotecommand.Executor{viaSPDY, viaWebSocket} {
				var out bytes.Buffer
				err = executor.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdin: strings.NewReader("typed"), Stdout: &out})
				require.EqualError(t, err, "command terminated with exit code 3")
				require.Equal(t, c.want, out.String())
			}
		})
	}
	t.Run("portforward", func(t *testing.T) {
		u := subresource(c, "portforward", nil)
		transport, upgrader, err := clientspdy.RoundTripperFor(cfg)
		require.NoError(t, err)
		viaSPDY := clientspdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, u)
		viaWebSocket, err := portforward.NewSPDYOverWebsocketDialerForStreaming(u, cfg)
		require.NoError(t, err)
		require.Equal(t, "HELLO", forwarded(t, portForwarder(t, viaSPDY)))
		require.Equal(t, "HELLO", forwarded(t, portForwarder(t, viaWebSocket)))
	})
	t.Run("nodes/proxy", func(t *testing.T) {
		data, err := c.CoreV1().RESTClient().Get().AbsPath("/api/v1/nodes/n/proxy/stats/summary").Param("only", "cpu").DoRaw(t.Context())
		require.NoError(t, err)
		require.Equal(t, "GET /stats/summary?only=cpu", string(data))
	})
	t.Run("refused", func(t *testing.T) {
		viewer, err := kubernetes.NewForConfig(s.ClientConfig("ann", "lubberline:view"))
		require.NoError(t, err)
		_, err = viewer.CoreV1().RESTClient().Get().AbsPath("/api/v1/nodes/n/proxy/pods").Stream(t.Context())
		require.ErrorContains(t, err, `User "ann" cannot get resource "nodes/proxy" in API group "" at the cluster scope`)
	})
}

// portForwarder forwards a free local port to the pod's 80 and returns it.
func portForwarder(t *testing.T, dialer httpstream.Dialer) uint16 {
	t.Helper()
	stop, ready := make(chan struct{}), make(chan struct{})
	f, err := portforward.NewOnAddressesForStreaming(dialer, []string{"127.0.0.1"}, []string{":80"}, stop, ready, io.Discard, io.Discard)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- f.ForwardPorts() }()
	t.Cleanup(func() { close(stop); require.NoError(t, <-done) })
	select {
	case <-ready:
	case err := <-done:
		done <- err
		require.NoError(t, err)
	}
	ports, err := f.GetPorts()
	require.NoError(t, err)
	return ports[0].Local
}

func forwarded(t *testing.T, port uint16) string {
	t.Helper()
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))))
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("hello"))
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	return string(answer)
}
