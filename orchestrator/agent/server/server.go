// Package server is the node's HTTPS endpoint (port 10250): what the node runs,
// how it does, its containers' logs, and streams into containers. Its paths and
// answers are the kubelet's.
package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/lubberline/lubberline/listen"
	"github.com/lubberline/lubberline/ownmetrics"
)

// Pods is what the node runs.
type Pods interface {
	Pods() []*corev1.Pod
	Pod(namespace, name string) (*corev1.Pod, bool)
	ContainerID(uid types.UID, container string) (id string, running bool)
	SandboxID(uid types.UID) (id string, running bool)
}

// Runtime is what the server needs of CRI.
type Runtime interface {
	ContainerStatus(context.Context, *runtimeapi.ContainerStatusRequest, ...grpc.CallOption) (*runtimeapi.ContainerStatusResponse, error)
	Exec(context.Context, *runtimeapi.ExecRequest, ...grpc.CallOption) (*runtimeapi.ExecResponse, error)
	Attach(context.Context, *runtimeapi.AttachRequest, ...grpc.CallOption) (*runtimeapi.AttachResponse, error)
	PortForward(context.Context, *runtimeapi.PortForwardRequest, ...grpc.CallOption) (*runtimeapi.PortForwardResponse, error)
}

// Options is what a Server needs.
type Options struct {
	// Address is "host:port"; port 0 picks a free one.
	Address string
	// NodeName is what clients must be allowed to see.
	NodeName string
	// Certificate is asked for each connection, so it may change.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// ClientCAs are asked for each request; nil lets nobody in by certificate.
	ClientCAs func() *x509.CertPool
	// Client asks the API server who bearers of tokens are and who may do what.
	Client  kubernetes.Interface
	Pods    Pods
	Runtime Runtime
	// Handlers serves other paths, such as "/metrics/cadvisor", to who may read
	// the node's metrics; "/stats/…" to who may read its stats.
	Handlers map[string]http.Handler
	// Healthy are named checks of /healthz.
	Healthy    map[string]func() error
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// readHeaderTimeout bounds how long a client may take to say what it wants.
// What it is then given may last for ever.
const readHeaderTimeout = 10 * time.Second

// Server is bound and waits for Run.
type Server struct {
	o        Options
	listener net.Listener
	http     *http.Server
	auth     *auth
	metrics  *metrics
	set      ownmetrics.Set
	streams  conns
}

// New binds the address.
func New(o Options) (*Server, error) {
	if o.Certificate == nil || o.Client == nil || o.Pods == nil || o.Runtime == nil {
		return nil, fmt.Errorf("server: certificate, client, pods and runtime are needed")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l, err := listen.Bind(o.Address)
	if err != nil {
		return nil, err
	}
	s := &Server{o: o, listener: l, auth: newAuth(o), metrics: newMetrics()}
	if s.set, err = s.metrics.register(o.Registerer); err != nil {
		_ = l.Close()
		return nil, err
	}
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
		TLSConfig: &tls.Config{
			GetCertificate: o.Certificate,
			ClientAuth:     tls.RequestClientCert, // checked by the authentication
			MinVersion:     tls.VersionTLS12,
		},
		ConnContext: withConn,
	}
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Run serves until ctx ends. Streams that are open then are cut.
func (s *Server) Run(ctx context.Context) error {
	defer s.set.Unregister()
	stop := context.AfterFunc(ctx, func() { _ = s.http.Close(); s.streams.cut() })
	defer stop()
	err := s.http.ServeTLS(s.listener, "", "")
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve on %s: %w", s.listener.Addr(), err)
}

// Close gives the address back when Run was never called.
func (s *Server) Close() error {
	s.set.Unregister()
	return s.http.Close()
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /healthz/{check}", s.healthz)
	mux.HandleFunc("GET /pods", s.pods)
	mux.HandleFunc("GET /pods/", s.pods)
	mux.HandleFunc("GET /runningpods", s.runningPods)
	mux.HandleFunc("GET /runningpods/", s.runningPods)
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", s.containerLogs)
	for _, method := range []string{"GET", "POST"} {
		for _, path := range []string{"{namespace}/{pod}/{container}", "{namespace}/{pod}/{uid}/{container}"} {
			mux.HandleFunc(method+" /exec/"+path, s.exec)
			mux.HandleFunc(method+" /attach/"+path, s.attach)
		}
		mux.HandleFunc(method+" /portForward/{namespace}/{pod}", s.portForward)
		mux.HandleFunc(method+" /portForward/{namespace}/{pod}/{uid}", s.portForward)
	}
	refuse := func(path, text string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, http.StatusMethodNotAllowed) })
	}
	refuse("/logs/", "logs endpoint is disabled.")
	refuse("/run/", "Debug endpoints are disabled.")
	refuse("/debug/", "profiling endpoint is disabled.")
	for path, h := range s.o.Handlers {
		mux.Handle(path, h)
	}
	return s.metrics.count(s.auth.require(mux))
}
