package dns

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// probeAgain is after what time a resolver that led back here is tried again.
const probeAgain = 30 * time.Second

// loopGuard finds out which resolvers ask this server. Each is asked for a name
// that nobody knows; when that question arrives here, it is not asked again.
type loopGuard struct {
	mu      sync.Mutex // guards what follows
	ctx     context.Context
	last    time.Time
	probing sync.WaitGroup
}

// probeName is a name that nobody asks for by chance.
func probeName() string { return fmt.Sprintf("%016x.%016x.", rand.Uint64(), rand.Uint64()) }

// run allows probes until ctx ends, and starts with the first.
func (g *loopGuard) run(ctx context.Context, u *upstream) {
	g.mu.Lock()
	g.ctx = ctx
	g.mu.Unlock()
	g.start(u, u.current.Load())
}

// start asks every resolver of f.
func (g *loopGuard) start(u *upstream, f *forwarder) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ctx == nil || g.ctx.Err() != nil {
		return
	}
	g.last = u.now()
	ctx := g.ctx
	for _, r := range f.resolvers {
		g.probing.Go(func() { u.probe(ctx, r) })
	}
}

// again asks them once more when some led back here a while ago.
func (g *loopGuard) again(u *upstream, f *forwarder) {
	for _, r := range f.resolvers {
		if r.loops.Load() && g.due(u.now()) {
			g.start(u, f)
			return
		}
	}
}

func (g *loopGuard) due(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return now.Sub(g.last) >= probeAgain
}

func (g *loopGuard) wait() { g.probing.Wait() }

// probe asks a resolver, whose loop is over when nothing of it arrives here.
func (u *upstream) probe(ctx context.Context, r *resolver) {
	before := r.loops.Load()
	ctx, cancel := context.WithTimeout(ctx, resolverBound)
	defer cancel()
	r.arrived.Store(false)
	question := new(dns.Msg).SetQuestion(r.probe, dns.TypeHINFO)
	err := exchangeOnce(ctx, question, r.address.String())
	switch arrived := r.arrived.Load(); {
	case arrived && !before:
		u.log.Error("a resolver leads back here, and is not asked", "resolver", r.address)
	case !arrived && before && err == nil:
		r.loops.Store(false)
		u.log.Info("a resolver does not lead back here any more", "resolver", r.address)
	}
}

// exchangeOnce asks and waits for an answer until ctx ends.
func exchangeOnce(ctx context.Context, question *dns.Msg, address string) error {
	client := &dns.Client{Timeout: resolverBound}
	conn, err := client.DialContext(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // or the read would go on
	defer stop()
	_, _, err = client.ExchangeWithConnContext(ctx, question, conn)
	return err
}

// probed tells whether r is a probe that came back, and takes notice of it.
func (f *forwarder) probed(r *dns.Msg) bool {
	if len(r.Question) == 0 || r.Question[0].Qtype != dns.TypeHINFO {
		return false
	}
	for _, resolver := range f.resolvers {
		if strings.EqualFold(r.Question[0].Name, resolver.probe) {
			resolver.arrived.Store(true)
			resolver.loops.Store(true)
			return true
		}
	}
	return false
}
