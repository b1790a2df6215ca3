package proxy

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/lubberline/lubberline/orchestrator/proxy/plan"
)

// flows removes what the kernel remembers of flows to endpoints that are gone.
// Clients of UDP would go on sending there, since no connection ends; those of
// TCP whose first packet was not answered send it again, and then it goes to an
// endpoint that is there.
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

// changed notes the frontends that have lost endpoints. Both plans may be nil.
func (f *flows) changed(before, now *plan.Plan) {
	if before == nil {
		before = &plan.Plan{}
	}
	if now == nil {
		now = &plan.Plan{}
	}
	for frontend := range before.Flows {
		f.changing[frontend] = nil
	}
	for frontend, endpoints := range now.Flows {
		had, known := before.Flows[frontend]
		if known && !lost(had, endpoints) {
			delete(f.changing, frontend)
			continue
		}
		f.changing[frontend] = endpoints
	}
}

// lost says whether some that were there are not any more.
func lost(before, now []netip.AddrPort) bool {
	return slices.ContainsFunc(before, func(e netip.AddrPort) bool { return !slices.Contains(now, e) })
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

// flowsPause is how many times as long as the last removal nothing is removed:
// the kernel's list of flows may be long.
const flowsPause = 9

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
		started := time.Now()
		removed, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, unix.AF_INET, stale)
		f.metrics.flows.Add(float64(removed))
		if err != nil {
			f.log.Warn("stale flows cannot be removed", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(flowsPause * time.Since(started)):
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
	protocol, ok := stale(flow)
	if !ok {
		return false
	}
	to, ok := netip.AddrFromSlice(flow.Forward.DstIP.To4())
	from, valid := netip.AddrFromSlice(flow.Reverse.SrcIP.To4())
	if !ok || !valid {
		return false
	}
	endpoints, known := s.frontends[plan.Frontend{Address: to, Protocol: protocol, Port: flow.Forward.DstPort}]
	if !known && slices.Contains(s.local, to) {
		endpoints, known = s.frontends[plan.Frontend{Protocol: protocol, Port: flow.Forward.DstPort}]
	}
	return known && !slices.Contains(endpoints, netip.AddrPortFrom(from, flow.Reverse.SrcPort))
}

// stale says whether a flow is of a kind that may be removed: connections end by
// themselves, once they were made.
func stale(flow *netlink.ConntrackFlow) (protocol corev1.Protocol, may bool) {
	switch flow.Forward.Protocol {
	case unix.IPPROTO_UDP:
		return corev1.ProtocolUDP, true
	case unix.IPPROTO_TCP:
		tcp, known := flow.ProtoInfo.(*netlink.ProtoInfoTCP)
		return corev1.ProtocolTCP, known && tcp.State == nl.TCP_CONNTRACK_SYN_SENT
	}
	return "", false
}
