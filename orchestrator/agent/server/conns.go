package server

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// conns are the connections that carry streams: the HTTP server does not know
// of them any more.
type conns struct {
	mu   sync.Mutex
	open map[net.Conn]bool // guarded by mu
	over bool              // guarded by mu
}

type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// during runs the handler and lets cut close its connection meanwhile.
func (s *conns) during(w http.ResponseWriter, r *http.Request, h http.Handler) {
	c, ok := r.Context().Value(connKey{}).(net.Conn)
	if !ok || !s.add(c) {
		http.Error(w, "the node agent is ending", http.StatusServiceUnavailable)
		return
	}
	defer s.remove(c)
	h.ServeHTTP(w, r)
}

func (s *conns) add(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[net.Conn]bool{}
	}
	s.open[c] = true
	return !s.over
}

func (s *conns) remove(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// cut closes what is open, and lets nothing new in.
func (s *conns) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for c := range s.open {
		_ = c.Close()
	}
}
