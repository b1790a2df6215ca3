package join

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/lubberline/lubberline/orchestrator/pki"
)

// serverName is in the certificates of all control hosts, whatever their
// addresses.
const serverName = "kubernetes"

const (
	probeEvery = 3 * time.Second
	probeTime  = 3 * time.Second
	// probesFailed is after how many a control host is given up, and how many
	// must succeed before one that comes earlier is preferred again.
	probesFailed = 2
	// tryTime bounds connecting to one control host while there are others.
	tryTime = 3 * time.Second
)

// servers are the control hosts of a node: it speaks with the first of the list
// that answers, as all nodes do, so that what they ship is together.
type servers struct {
	file  string // keeps the list for the next start
	probe func(ctx context.Context, host string) error
	log   *slog.Logger

	mu      sync.Mutex
	all     []string // addresses without port, never empty
	current string
	open    map[*connection]string // with the host of each
}

// connection is known as long as it is open.
type connection struct {
	net.Conn
	s *servers
}

// Close implements net.Conn.
func (c *connection) Close() error {
	c.s.mu.Lock()
	delete(c.s.open, c)
	c.s.mu.Unlock()
	return c.Conn.Close()
}

// openServers knows the list of the last run, or only the host that the machine
// has joined by.
func openServers(file, first string, log *slog.Logger) (*servers, error) {
	s := &servers{file: file, log: log, all: []string{first}, open: map[*connection]string{}}
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &s.all)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("control hosts: %s: %w", file, err)
	}
	if len(s.all) == 0 {
		s.all = []string{first}
	}
	s.current = s.all[0]
	return s, nil
}

// set replaces the list.
func (s *servers) set(all []netip.Addr) error {
	var hosts []string
	for _, a := range all {
		hosts = append(hosts, a.String())
	}
	s.mu.Lock()
	same := len(hosts) == 0 || slices.Equal(s.all, hosts)
	if !same {
		s.all = hosts
	}
	lost := !slices.Contains(s.all, s.current)
	s.mu.Unlock()
	if same {
		return nil
	}
	s.log.Info("the cluster's control hosts", "hosts", hosts)
	if lost {
		s.use(hosts[0])
	}
	data, err := json.Marshal(hosts)
	if err != nil {
		return err
	}
	return pki.WriteFile(s.file, data, 0o600)
}

// order are the hosts in which they are tried: the one in use first.
func (s *servers) order() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{s.current}, slices.DeleteFunc(slices.Clone(s.all), func(h string) bool { return h == s.current })...)
}

// dial connects to the port of a control host, whichever address is asked for.
func (s *servers) dial(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	var errs []error
	order := s.order()
	for _, host := range order {
		d := net.Dialer{}
		if len(order) > 1 {
			d.Timeout = tryTime
		}
		conn, err := d.DialContext(ctx, network, net.JoinHostPort(host, port))
		if err == nil {
			return s.keep(conn, host, order[0]), nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func (s *servers) keep(conn net.Conn, host, tried string) net.Conn {
	if host != tried {
		s.use(host)
	}
	c := &connection{conn, s}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[c] = host
	return c
}

// use has all new connections go to the host, and ends those to others.
func (s *servers) use(host string) {
	s.mu.Lock()
	before := s.current
	s.current = host
	var old []*connection
	for c, to := range s.open {
		if to != host {
			old = append(old, c)
		}
	}
	s.mu.Unlock()
	for _, c := range old {
		_ = c.Close()
	}
	if before != host {
		s.log.Info("another control host is used from now on", "before", before, "now", host)
	}
}

// run looks after the host in use until ctx ends. Alone it is not asked: there
// would be no other.
func (s *servers) run(ctx context.Context) {
	ticks := time.NewTicker(probeEvery)
	defer ticks.Stop()
	failed, well := 0, map[string]int{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		order := s.order()
		if len(order) == 1 {
			continue
		}
		if s.probe(ctx, order[0]) == nil {
			failed = 0
			s.prefer(ctx, well)
			continue
		}
		if failed++; failed < probesFailed {
			continue
		}
		for _, host := range order[1:] {
			if s.probe(ctx, host) == nil {
				s.use(host)
				failed = 0
				break
			}
		}
	}
}

// prefer goes back to a host that comes before the one in use, once it is well.
func (s *servers) prefer(ctx context.Context, well map[string]int) {
	s.mu.Lock()
	current, all := s.current, slices.Clone(s.all)
	s.mu.Unlock()
	for _, host := range all {
		if host == current {
			return
		}
		if s.probe(ctx, host) != nil {
			well[host] = 0
			continue
		}
		if well[host]++; well[host] >= probesFailed {
			well[host] = 0
			s.use(host)
			return
		}
	}
}

// prober asks hosts whether they are ready, etcd included.
func prober(port string, roots *x509.CertPool) func(context.Context, string) error {
	client := &http.Client{Timeout: probeTime, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: serverName, MinVersion: tls.VersionTLS12},
	}}
	return func(ctx context.Context, host string) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+net.JoinHostPort(host, port)+"/readyz", nil)
		if err != nil {
			return err
		}
		answer, err := client.Do(r)
		if err != nil {
			return err
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s is not ready: %s", host, answer.Status)
		}
		return nil
	}
}
