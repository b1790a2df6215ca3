package apiserver

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	genericserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/lubberline/lubberline/orchestrator/api"
	"github.com/lubberline/lubberline/orchestrator/apiserver/access"
	"github.com/lubberline/lubberline/orchestrator/apiserver/registry"
	"github.com/lubberline/lubberline/orchestrator/apiserver/tokens"
	"github.com/lubberline/lubberline/orchestrator/pki"
	"github.com/lubberline/lubberline/orchestrator/store"
)

// Server is an API server with its store open and its listeners bound.
type Server struct {
	options  Options
	log      *slog.Logger
	scheme   *runtime.Scheme
	codecs   serializer.CodecFactory
	pki      *pki.PKI
	store    *store.Store
	listener net.Listener

	transport *transport
	stop      context.CancelFunc   // ends the transport's requests
	client    kubernetes.Interface // may do everything
	informers informers.SharedInformerFactory
	stores    *registry.Environment
	generic   *genericserver.GenericAPIServer
	serving   *pki.Pair
	admin     *pki.Pair
	kubelet   *pki.Pair // what kubelets are shown
	issuer    *tokens.Issuer
	tokens    authenticator.Token
	access    *access.Authorizer

	running  <-chan struct{} // ends with Run; set before ready is closed
	ready    chan struct{}
	closing  []func()
	closeAll sync.Once
}

// New opens the store, makes the certificates and binds the listeners. What it
// acquired is released again when it fails, or else when Run ends.
func New(ctx context.Context, o Options) (_ *Server, err error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("API server: %w", err)
	}
	scheme := api.Scheme()
	s := &Server{options: o, log: o.Logger, scheme: scheme, codecs: api.Codecs(scheme), ready: make(chan struct{})}
	defer func() {
		if err != nil {
			s.close()
			err = fmt.Errorf("API server: %w", err)
		}
	}()
	running, stop := context.WithCancel(context.Background())
	s.transport, s.stop = newTransport(running), stop
	s.onClose(stop)
	steps := []func() error{
		func() error { return s.openStore(ctx) },
		s.listen,
		s.openCertificates,
		s.makeInformers,
		s.build,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// onClose adds what undoes a step of New.
func (s *Server) onClose(f func()) { s.closing = append(s.closing, f) }

func (s *Server) close() {
	s.closeAll.Do(func() {
		for _, undo := range slices.Backward(s.closing) {
			undo()
		}
	})
}

func (s *Server) openStore(ctx context.Context) (err error) {
	if s.store = s.options.Store; s.store != nil {
		s.onClose(s.store.Close)
		return nil
	}
	s.store, err = store.Open(ctx, store.Options{
		Dir: filepath.Join(s.options.DataDir, "etcd"), Quota: s.options.StoreSize, Logger: s.log, Registerer: s.options.Registerer,
	})
	if err == nil {
		s.onClose(s.store.Close)
	}
	return err
}

func (s *Server) listen() (err error) {
	s.listener, err = listen(s.options.Listen)
	if err == nil {
		s.onClose(func() { _ = s.listener.Close() })
	}
	return err
}

// makeInformers makes the one factory that all parts of the process share.
func (s *Server) makeInformers() (err error) {
	s.client, err = kubernetes.NewForConfig(s.loopback())
	if err != nil {
		return err
	}
	s.informers = informers.NewSharedInformerFactoryWithOptions(s.client, 0, informers.WithTransform(dropManagedFields))
	return nil
}

// Run serves until ctx ends, and releases everything.
func (s *Server) Run(ctx context.Context) error {
	defer s.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// This process's own watches end first: the server waits for them.
	defer context.AfterFunc(ctx, s.stop)()
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { _ = s.pki.Run(ctx) })
	s.running = ctx.Done()
	beside.Go(func() { s.awaitReady(ctx) })
	defer s.informers.Shutdown()
	s.informers.Start(s.running)
	s.waitForStores(ctx)
	prepared := s.generic.PrepareRun()
	s.transport.serve(s.generic.Handler)
	if err := prepared.RunWithContext(ctx); err != nil {
		return fmt.Errorf("API server: %w", err)
	}
	return nil
}

// Ready is closed when /readyz says ok for the first time.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// URL is where this machine's clients reach the server.
func (s *Server) URL() string { return local(s.listener) }

// PKI has the cluster's certificates.
func (s *Server) PKI() *pki.PKI { return s.pki }

// Informers is the one factory for all parts in this process. Its objects have
// no managed fields. Run starts what was asked for before.
func (s *Server) Informers() informers.SharedInformerFactory { return s.informers }

// StartInformers starts what was asked for since, until Run ends. The server is
// ready.
func (s *Server) StartInformers() { s.informers.Start(s.running) }

// Kubeconfig is the administrator's file.
func (s *Server) Kubeconfig() string { return filepath.Join(s.options.DataDir, "admin.kubeconfig") }

// ClientConfig is for parts of this process that act as the user: protobuf,
// without sockets, without a rate limit. It works once Run serves; exec, attach
// and port-forward need a connection and so the kubeconfig.
func (s *Server) ClientConfig(name string, groups ...string) *rest.Config {
	u := &user.DefaultInfo{Name: name, Groups: append([]string{user.AllAuthenticated}, groups...)}
	return &rest.Config{
		Host: "https://in-process", Transport: as{s.transport, u}, QPS: -1, UserAgent: name, WarningHandler: rest.NoWarnings{},
		ContentConfig: rest.ContentConfig{
			ContentType: runtime.ContentTypeProtobuf, AcceptContentTypes: runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON,
		},
	}
}

func (s *Server) loopback() *rest.Config {
	return s.ClientConfig(user.APIServerUser, user.SystemPrivilegedGroup)
}
