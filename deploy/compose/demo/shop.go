package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// The shop's habits.
const (
	basketBytes = 32 << 10
	maxBaskets  = 1024 // 32 MiB, then the shop cleans up
	hashes      = 2000 // of one checkout: about a millisecond
	badEvery    = 10 * time.Minute
	badFor      = time.Minute
)

// shop answers customers. It works for a checkout, keeps baskets in memory, and
// in its bad minutes some of its payments time out.
type shop struct {
	log     *slog.Logger
	opened  time.Time
	mu      sync.Mutex
	baskets [][]byte
}

func newShop(log *slog.Logger) *shop { return &shop{log: log, opened: time.Now()} }

func (s *shop) serve(ctx context.Context, address string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /articles", s.articles)
	mux.HandleFunc("POST /basket", s.fillBasket)
	mux.HandleFunc("POST /checkout", s.checkOut)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	s.log.Info("the shop is open", "address", listener.Addr().String())
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	s.log.Info("the shop is closed")
	return nil
}

func (s *shop) articles(w http.ResponseWriter, r *http.Request) {
	for n := range 100 {
		fmt.Fprintf(w, "article %d\n", n)
	}
	s.log.Info("articles shown", "path", r.URL.Path, "status", http.StatusOK)
}

func (s *shop) fillBasket(w http.ResponseWriter, r *http.Request) {
	basket := make([]byte, basketBytes)
	for i := range basket {
		basket[i] = byte(i) // touched, so that it is really there
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.baskets = append(s.baskets, basket); len(s.baskets) >= maxBaskets {
		s.log.Warn("too many baskets are left behind, clearing them away", "baskets", len(s.baskets))
		s.baskets = nil
	}
	w.WriteHeader(http.StatusCreated)
	s.log.Info("basket filled", "path", r.URL.Path, "status", http.StatusCreated)
}

func (s *shop) checkOut(w http.ResponseWriter, r *http.Request) {
	sum := sha256.Sum256([]byte(r.URL.String()))
	for range hashes {
		sum = sha256.Sum256(sum[:])
	}
	if s.bad() && sum[0]&1 == 0 {
		s.log.Error("payment timeout", "path", r.URL.Path, "status", http.StatusGatewayTimeout, "order", r.URL.Query().Get("order"))
		http.Error(w, "payment timeout", http.StatusGatewayTimeout)
		return
	}
	s.log.Info("order paid", "path", r.URL.Path, "status", http.StatusOK, "order", r.URL.Query().Get("order"))
}

// bad says whether this is one of the bad minutes.
func (s *shop) bad() bool { return time.Since(s.opened)%badEvery > badEvery-badFor }
