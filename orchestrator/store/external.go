package store

import (
	"context"
	"fmt"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/kubernetes"
)

const (
	keepAliveTime    = 30 * time.Second
	keepAliveTimeout = 10 * time.Second
)

// connect opens the connection to a cluster and waits for its first answer.
func (s *Store) connect(ctx context.Context, e External) error {
	cfg := clientv3.Config{
		Endpoints: e.Endpoints, DialKeepAliveTime: keepAliveTime, DialKeepAliveTimeout: keepAliveTimeout,
		Logger: bridge(s.log),
	}
	if e.CertFile != "" || e.KeyFile != "" || e.CAFile != "" {
		tls := transport.TLSInfo{CertFile: e.CertFile, KeyFile: e.KeyFile, TrustedCAFile: e.CAFile}
		var err error
		if cfg.TLS, err = tls.ClientConfig(); err != nil {
			return fmt.Errorf("etcd's certificates: %w", err)
		}
	}
	client, err := kubernetes.New(cfg)
	if err != nil {
		return fmt.Errorf("connect to %v: %w", e.Endpoints, err)
	}
	s.Client = client
	s.stop = append(s.stop, func() { _ = client.Close() })
	if err := s.Ready(ctx); err != nil {
		return fmt.Errorf("%v does not answer: %w", e.Endpoints, err)
	}
	return nil
}
