package apiserver

import (
	"net/http"

	"github.com/lubberline/lubberline/orchestrator/join"
)

// remoteWrite is where the aggregator takes samples.
const remoteWrite = "/api/v1/write"

// installJoin lets machines in, and takes their samples on to the aggregator.
func (s *Server) installJoin() error {
	if s.options.Join == nil {
		return nil
	}
	server := join.NewServer(join.ServerOptions{Signer: s.pki, Objects: objects{s}, Cluster: *s.options.Join, Logger: s.log})
	mux := s.generic.Handler.NonGoRestfulMux
	mux.Handle(join.PathCA, http.HandlerFunc(server.ServeCA))
	mux.Handle(join.PathJoin, http.HandlerFunc(server.ServeJoin))
	if s.options.MetricsAPI == "" {
		return nil
	}
	proxy, err := s.metricsProxy(s.options.MetricsAPI)
	if err != nil {
		return err
	}
	mux.Handle(join.PathWrite, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = remoteWrite
		proxy.ServeHTTP(w, r)
	}))
	return nil
}
