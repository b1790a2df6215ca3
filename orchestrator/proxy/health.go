package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
	"github.com/lubberline/lubberline/orchestrator/proxy/plan"
)

// healthServers answer load balancers that ask whether this machine has
// endpoints of a service. Not safe for concurrent use.
type healthServers struct {
	log     *slog.Logger
	servers map[string]*healthServer // by service
}

type healthServer struct {
	port      uint16
	endpoints atomic.Int64 // on this machine
	server    *http.Server
}

func newHealthServers(log *slog.Logger) *healthServers {
	return &healthServers{log: log, servers: map[string]*healthServer{}}
}

// set has a service's health told, nil no more.
func (h *healthServers) set(service string, want *plan.Health) {
	s := h.servers[service]
	if s != nil && (want == nil || want.Port != s.port) {
		_ = s.server.Close()
		delete(h.servers, service)
		s = nil
	}
	if want == nil {
		return
	}
	if s == nil {
		if s = h.start(service, want.Port); s == nil {
			return
		}
	}
	s.endpoints.Store(int64(want.LocalEndpoints))
}

func (h *healthServers) start(service string, port uint16) *healthServer {
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		h.log.Error("a service's health cannot be told", "service", service, "error", err)
		return nil
	}
	s := &healthServer{port: port}
	s.server = &http.Server{Handler: s.handler(service), ReadHeaderTimeout: 10 * time.Second}
	h.servers[service] = s
	go func() { // ends with close
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			h.log.Error("a service's health is not told any more", "service", service, "error", err)
		}
	}()
	return s
}

// handler answers in kube-proxy's format.
func (s *healthServer) handler(service string) http.Handler {
	namespace, name := reconcile.SplitKey(service)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := s.endpoints.Load()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("X-Load-Balancing-Endpoint-Weight", fmt.Sprint(n))
		if n == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{ // a client that has gone needs no answer
			"service":        map[string]string{"namespace": namespace, "name": name},
			"localEndpoints": n, "serviceProxyHealthy": true,
		})
	})
}

func (h *healthServers) close() {
	for _, s := range h.servers {
		_ = s.server.Close()
	}
}
