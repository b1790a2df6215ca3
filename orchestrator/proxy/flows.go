package proxy

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/lubberline/lubberline/orchestrator/proxy/plan"
)

// flows removes what the kernel remembers of UDP flows to endpoints that are
// gone: their clients would go on sending there, since no connection ends.
type flows struct {
	addresses func() []netip.Addr
	log       *slog.Logger
	metrics   *metrics
	// changing is what the changes that are not in the kernel yet concern. It is
	// the caller's of changed and settle.
	changing map[plan.Frontend][]netip.AddrPort

	mu      sync.Mutex
	pending map[plan.Frontend][]netip.AddrPort
	wake    chan struct{} // one slot
}

func newFlows(addresses func() []netip.Addr, log *slog.Logger, m *metrics) *flows {
	return &flows{
		addresses: addresses, log: log, metrics: m,
		changing: map[plan.Frontend][]netip.AddrPort{}, pending: map[plan.Frontend][]netip.AddrPort{}, wake: make(chan struct{}, 1),
	}
}

// changed notes the frontends whose endpoints differ. Both plans may be nil.
func (f *flows) changed(before, now *plan.Plan) {
	if before != nil {
		for frontend := range before.Connectionless {
			f.changing[frontend] = nil
		}
	}
	if now == nil {
		return
	}
	for frontend, endpoints := range now.Connectionless {
		if before != nil {
			if had, known := before.Connectionless[frontend]; known && slices.Equal(had, endpoints) {
				delete(f.changing, frontend)
				continue
			}
		}
		f.changing[frontend] = endpoints
	}
}

// settle has the noted flows removed, now that the kernel makes no new ones.
func (f *flows) settle() {
	if len(f.changing) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for frontend, endpoints := range f.changing {
		f.pending[frontend] = endpoints
	}
	clear(f.changing)
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// run removes flows beside the changes: a machine with many flows takes a while.
func (f *flows) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		}
		f.mu.Lock()
		stale := &staleFlows{frontends: f.pending, local: f.addresses()}
		f.pending = map[plan.Frontend][]netip.AddrPort{}
		f.mu.Unlock()
		removed, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, unix.AF_INET, stale)
		f.metrics.flows.Add(float64(removed))
		if err != nil {
			f.log.Warn("stale flows cannot be removed", "error", err)
		}
	}
}

// staleFlows finds flows to a frontend that do not lead to one of its endpoints.
type staleFlows struct {
	frontends map[plan.Frontend][]netip.AddrPort
	local     []netip.Addr
}

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (s *staleFlows) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	if flow.Forward.Protocol != unix.IPPROTO_UDP {
		return false
	}
	to, ok := netip.AddrFromSlice(flow.Forward.DstIP.To4())
	from, valid := netip.AddrFromSlice(flow.Reverse.SrcIP.To4())
	if !ok || !valid {
		return false
	}
	endpoints, known := s.frontends[plan.Frontend{Address: to, Protocol: corev1.ProtocolUDP, Port: flow.Forward.DstPort}]
	if !known && slices.Contains(s.local, to) {
		endpoints, known = s.frontends[plan.Frontend{Protocol: corev1.ProtocolUDP, Port: flow.Forward.DstPort}]
	}
	return known && !slices.Contains(endpoints, netip.AddrPortFrom(from, flow.Reverse.SrcPort))
}
