package streams

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/proxy"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	translator "k8s.io/apiserver/pkg/util/proxy"
	"k8s.io/streaming/pkg/httpstream/wsstream"
)

type object = runtime.Object

// connectREST is a subresource that a client is connected through.
type connectREST struct {
	options func() object
	methods []string
	path    bool // what follows the subresource in the URL is the option "path"
	connect func(ctx context.Context, name string, options object, responder rest.Responder) (http.Handler, error)
}

var _ rest.Connecter = (*connectREST)(nil)

// New is what the documents say the subresource takes.
func (r *connectREST) New() object { return r.options() }

// Destroy does nothing.
func (r *connectREST) Destroy() {}

// Connect returns the handler of one request.
func (r *connectREST) Connect(ctx context.Context, name string, options object, responder rest.Responder) (http.Handler, error) {
	return r.connect(ctx, name, options, responder)
}

// NewConnectOptions says what a URL's parameters become.
func (r *connectREST) NewConnectOptions() (options object, subpath bool, subpathKey string) {
	if r.path {
		return r.options(), true, "path"
	}
	return r.options(), false, ""
}

// ConnectMethods are the HTTP methods allowed.
func (r *connectREST) ConnectMethods() []string { return r.methods }

func (c *connections) exec(ctx context.Context, name string, options object, responder rest.Responder) (http.Handler, error) {
	o, ok := options.(*corev1.PodExecOptions)
	if !ok {
		return nil, fmt.Errorf("invalid options object: %#v", options)
	}
	query := streamQuery(translator.Options{Stdin: o.Stdin, Stdout: o.Stdout, Stderr: o.Stderr, Tty: o.TTY})
	query["command"] = o.Command
	return c.stream(ctx, name, "exec", o.Container, query, responder)
}

func (c *connections) attach(ctx context.Context, name string, options object, responder rest.Responder) (http.Handler, error) {
	o, ok := options.(*corev1.PodAttachOptions)
	if !ok {
		return nil, fmt.Errorf("invalid options object: %#v", options)
	}
	query := streamQuery(translator.Options{Stdin: o.Stdin, Stdout: o.Stdout, Stderr: o.Stderr, Tty: o.TTY})
	return c.stream(ctx, name, "attach", o.Container, query, responder)
}

// streamQuery is what the kubelet calls the streams.
func streamQuery(o translator.Options) url.Values {
	query := url.Values{}
	for name, wanted := range map[string]bool{
		corev1.ExecStdinParam: o.Stdin, corev1.ExecStdoutParam: o.Stdout, corev1.ExecStderrParam: o.Stderr, corev1.ExecTTYParam: o.Tty,
	} {
		if wanted {
			query.Set(name, "1")
		}
	}
	return query
}

// stream passes SPDY and old WebSockets through, and translates WebSockets that
// close each stream by itself (v5) to SPDY.
func (c *connections) stream(ctx context.Context, name, path, container string, query url.Values, responder rest.Responder) (http.Handler, error) {
	pod, err := c.objects.Pod(ctx, genericrequest.NamespaceValue(ctx), name)
	if err != nil {
		return nil, err
	}
	u, err := c.container(ctx, pod, path, container)
	if err != nil {
		return nil, err
	}
	if u == nil {
		return nil, notOnNode(name)
	}
	u.RawQuery = query.Encode()
	has := func(param string) bool { return query.Get(param) != "" }
	translate := translator.NewStreamTranslatorHandler(u, c.kubelet, 0, translator.Options{
		Stdin: has(corev1.ExecStdinParam), Stdout: has(corev1.ExecStdoutParam), Stderr: has(corev1.ExecStderrParam), Tty: has(corev1.ExecTTYParam),
	})
	return translator.NewTranslatingHandler(upgrade(u, c.kubelet, responder), translate, wsstream.IsWebSocketRequestWithStreamCloseProtocol), nil
}

// portForward passes SPDY through, also when it is tunnelled in a WebSocket.
func (c *connections) portForward(ctx context.Context, name string, options object, responder rest.Responder) (http.Handler, error) {
	o, ok := options.(*corev1.PodPortForwardOptions)
	if !ok {
		return nil, fmt.Errorf("invalid options object: %#v", options)
	}
	pod, err := c.objects.Pod(ctx, genericrequest.NamespaceValue(ctx), name)
	if err != nil {
		return nil, err
	}
	if pod.Spec.NodeName == "" {
		return nil, notOnNode(name)
	}
	u, err := c.node(ctx, pod.Spec.NodeName)
	if err != nil {
		return nil, err
	}
	u.Path = fmt.Sprintf("/portForward/%s/%s", pod.Namespace, pod.Name)
	if len(o.Ports) > 0 {
		ports := make([]string, len(o.Ports))
		for i, port := range o.Ports {
			ports[i] = strconv.Itoa(int(port))
		}
		u.RawQuery = url.Values{corev1.PortHeader: {strings.Join(ports, ",")}}.Encode()
	}
	through := upgrade(u, c.kubelet, responder)
	return translator.NewTranslatingHandler(through, translator.NewTunnelingHandler(through), wsstream.IsWebSocketRequestWithTunnelingProtocol), nil
}

// upgrade is a proxy of connections that change their protocol.
func upgrade(u *url.URL, transport http.RoundTripper, responder rest.Responder) http.Handler {
	return proxy.NewUpgradeAwareHandler(u, transport, false, true, proxy.NewErrorResponder(responder))
}
