package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/lubberline/lubberline/orchestrator/store"
	"github.com/lubberline/lubberline/version"
)

// serversPrefix is before the control hosts' signs of life.
const serversPrefix = "servers/"

const (
	// lifeTime is how long a control host that says nothing more is still counted
	// among those that live.
	lifeTime = 15 * time.Second
	lifeSign = 4 * time.Second
	// farewellTime bounds taking the sign of life away at the end.
	farewellTime = 3 * time.Second
)

// controlHost is a sign of life.
type controlHost struct {
	Node    string           `json:"node"`
	API     netip.AddrPort   `json:"api"`
	DNS     []netip.AddrPort `json:"dns"`
	Version string           `json:"version"`
}

// servers are the control hosts of one etcd. Each says that it lives while its
// API answers, and looks who else does.
type servers struct {
	records *store.Records
	log     *slog.Logger
	metrics *metrics
	own     controlHost            // complete before Run
	follow  func([]netip.AddrPort) // told of the live ones when Run sees a change

	changed chan struct{}
	mu      sync.Mutex
	live    []controlHost
}

func newServers(a *App) *servers {
	return &servers{records: a.records, log: a.logger("servers"), metrics: a.metrics, changed: make(chan struct{}, 1)}
}

// buildServers completes what this control host says of itself.
func (a *App) buildServers() error {
	if a.servers == nil {
		return nil
	}
	u, err := url.Parse(a.server.URL())
	if err != nil {
		return err
	}
	port, err := netip.ParseAddrPort(u.Host)
	if err != nil {
		return err
	}
	a.servers.own = controlHost{
		Node: a.o.Node, API: netip.AddrPortFrom(a.address, port.Port()), DNS: a.dns.Addresses(), Version: version.Version,
	}
	a.servers.follow = func(live []netip.AddrPort) {
		a.dns.ServersChanged()
		a.followServers(live)
	}
	a.parts = append(a.parts, part{"servers", a.servers})
	return nil
}

// Live implements apiserver.Servers.
func (s *servers) Live() (all []netip.AddrPort) {
	for _, one := range s.hosts() {
		all = append(all, one.API)
	}
	slices.SortFunc(all, netip.AddrPort.Compare)
	return all
}

// DNS are the addresses of all that answer for names.
func (s *servers) DNS() (all []netip.AddrPort) {
	for _, one := range s.hosts() {
		all = append(all, one.DNS...)
	}
	slices.SortFunc(all, netip.AddrPort.Compare)
	return all
}

// Changed implements apiserver.Servers.
func (s *servers) Changed() <-chan struct{} { return s.changed }

func (s *servers) hosts() []controlHost {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live
}

// Run says that this control host lives until ctx ends, and then that it does
// not, so that nobody waits for it.
func (s *servers) Run(ctx context.Context) error {
	value, err := json.Marshal(s.own)
	if err != nil {
		return err
	}
	key := serversPrefix + s.own.Node
	defer s.farewell(key)
	ticks := time.NewTicker(lifeSign)
	defer ticks.Stop()
	seen := s.records.Changes(ctx, serversPrefix)
	for failed := false; ; {
		err := s.sign(ctx, key, value)
		if err != nil && ctx.Err() == nil && !failed {
			s.log.Warn("etcd does not take this control host's sign of life", "error", err)
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		case <-seen:
		}
	}
}

func (s *servers) sign(ctx context.Context, key string, value []byte) error {
	ctx, cancel := context.WithTimeout(ctx, lifeSign)
	defer cancel()
	if err := s.records.SignOfLife(ctx, key, value, lifeTime); err != nil {
		return err
	}
	records, err := s.records.List(ctx, serversPrefix)
	if err != nil {
		return err
	}
	s.set(read(records, s.log))
	return nil
}

func read(records []store.Record, log *slog.Logger) (all []controlHost) {
	for _, r := range records {
		var one controlHost
		if err := json.Unmarshal(r.Value, &one); err != nil {
			log.Warn("a control host's sign of life is unreadable", "record", r.Key, "error", err)
			continue
		}
		all = append(all, one)
	}
	return all
}

func (s *servers) set(live []controlHost) {
	s.mu.Lock()
	same := reflect.DeepEqual(s.live, live)
	s.live = live
	s.mu.Unlock()
	if same {
		return
	}
	var names []string
	for _, one := range live {
		names = append(names, one.Node+" "+one.API.String()+" "+one.Version)
	}
	s.log.Info("control hosts that serve the API", "servers", names)
	s.metrics.servers.Set(float64(len(live)))
	select {
	case s.changed <- struct{}{}:
	default:
	}
	s.follow(s.Live())
}

func (s *servers) farewell(key string) {
	ctx, cancel := context.WithTimeout(context.Background(), farewellTime)
	defer cancel()
	if err := s.records.EndOfLife(ctx, key); err != nil {
		s.log.Warn("the others will wait for this control host's sign of life", "seconds", lifeTime.Seconds(), "error", err)
	}
}
