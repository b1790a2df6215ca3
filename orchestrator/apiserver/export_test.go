package apiserver

import "context"

// Reconcile makes the system objects right now.
func (s *Server) Reconcile(ctx context.Context) error { return s.bootstrap(ctx) }
