package apiserver

import (
	"context"
	"net/http"

	genericrequest "k8s.io/apiserver/pkg/endpoints/request"

	"github.com/lubberline/lubberline/orchestrator/apiserver/access"
	"github.com/lubberline/lubberline/orchestrator/join"
)

// remoteWrite is where the aggregator takes samples.
const remoteWrite = "/api/v1/write"

// nodeHeader tells the aggregator whose samples those of a request must be.
const nodeHeader = "X-Lubberline-Node"

// OwnIdentity is what this server is to the other servers of its store, and to
// itself: a node.
func (s *Server) OwnIdentity(ctx context.Context, o join.Options, f join.Facts) (*join.Identity, error) {
	return join.Own(ctx, o, f, s.pki)
}

// installJoin lets machines in, and takes their samples on to the aggregator.
func (s *Server) installJoin() error {
	if s.options.Join == nil {
		return nil
	}
	server := join.NewServer(join.ServerOptions{Signer: s.pki, Objects: objects{s}, Names: s.options.Names, Cluster: *s.options.Join, Logger: s.log})
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
		r.Header.Del(nodeHeader)
		if u, ok := genericrequest.UserFrom(r.Context()); ok {
			if node, isNode := access.NodeName(u); isNode {
				r.Header.Set(nodeHeader, node)
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	return nil
}
