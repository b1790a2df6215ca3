package dns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/coredns/coredns/plugin/cache"
	"github.com/coredns/coredns/plugin/pkg/proxy"
	"github.com/coredns/coredns/plugin/pkg/transport"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
)

// Bounds of what is asked elsewhere.
const (
	// maxForwarded is how many questions wait for resolvers at once.
	maxForwarded = 1000
	// forwardBound is how long one question may take with all resolvers.
	forwardBound = 5 * time.Second
	// resolverBound is how long one resolver may take.
	resolverBound = 2 * time.Second
	// restAfterFailure is how long a resolver that failed is only asked when
	// there is no other.
	restAfterFailure = 10 * time.Second
	// maxIdle is how many connections to a resolver are kept.
	maxIdle = 16
)

var (
	errBusy = fmt.Errorf("%d questions wait for resolvers already", maxForwarded)
	errLoop = errors.New("the resolvers lead back here")
)

// forwarder asks resolvers, and remembers what they answered. It is made anew
// when the resolvers change.
type forwarder struct {
	resolvers []*resolver
	waiting   *atomic.Int64
	answers   *cache.Cache // leads to asker
}

// resolver is one server to ask.
type resolver struct {
	address netip.AddrPort
	proxy   *proxy.Proxy
	probe   string       // the name that is asked to find out whether it asks us
	arrived atomic.Bool  // the question came back
	loops   atomic.Bool  // it asks us
	rests   atomic.Int64 // until when, Unix nanoseconds
}

func newForwarder(addresses []netip.AddrPort, waiting *atomic.Int64) *forwarder {
	f := &forwarder{waiting: waiting, answers: cache.New()}
	for _, a := range addresses {
		p := proxy.NewProxy("lubberline", a.String(), transport.DNS)
		p.SetReadTimeout(resolverBound)
		p.SetMaxIdleConns(maxIdle)
		p.Start(restAfterFailure)
		f.resolvers = append(f.resolvers, &resolver{address: a, proxy: p, probe: probeName()})
	}
	f.answers.Next = asker{f}
	return f
}

// close ends what keeps connections. Questions that wait get their answers.
func (f *forwarder) close() {
	for _, r := range f.resolvers {
		runtime.SetFinalizer(r.proxy, nil) // it would end it a second time
		r.proxy.Stop()
		r.proxy.GetTransport().Stop()
	}
}

// ServeDNS implements plugin.Handler.
func (f *forwarder) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	if len(f.resolvers) == 0 {
		return dns.RcodeServerFailure, errNoResolver
	}
	return f.answers.ServeDNS(ctx, w, r)
}

// asker is what the cache leads to.
type asker struct{ f *forwarder }

// Name implements plugin.Handler.
func (asker) Name() string { return "forward" }

// ServeDNS implements plugin.Handler.
func (a asker) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	if a.f.waiting.Add(1) > maxForwarded {
		a.f.waiting.Add(-1)
		return dns.RcodeServerFailure, errBusy
	}
	defer a.f.waiting.Add(-1)
	answer, err := a.f.ask(ctx, request.Request{W: w, Req: r})
	switch {
	case errors.Is(err, proxy.ErrInvalidRequest):
		return dns.RcodeFormatError, err
	case err != nil:
		return dns.RcodeServerFailure, err
	}
	return dns.RcodeSuccess, w.WriteMsg(answer)
}

// ask tries the resolvers in their order, those that failed lately at the end.
func (f *forwarder) ask(ctx context.Context, q request.Request) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, forwardBound)
	defer cancel()
	err := errLoop
	for _, r := range f.order(time.Now()) {
		if ctx.Err() != nil {
			break
		}
		var answer *dns.Msg
		if answer, err = r.ask(ctx, q); err == nil {
			r.rests.Store(0)
			return answer, nil
		}
		if errors.Is(err, proxy.ErrInvalidRequest) {
			return nil, err
		}
		r.rests.Store(time.Now().Add(restAfterFailure).UnixNano())
		err = fmt.Errorf("resolver %s: %w", r.address, err)
	}
	return nil, err
}

func (f *forwarder) order(now time.Time) []*resolver {
	var first, last []*resolver
	for _, r := range f.resolvers {
		switch {
		case r.loops.Load():
		case r.rests.Load() > now.UnixNano():
			last = append(last, r)
		default:
			first = append(first, r)
		}
	}
	return append(first, last...)
}

func (r *resolver) ask(ctx context.Context, q request.Request) (*dns.Msg, error) {
	for {
		answer, _, _, err := r.proxy.Connect(ctx, q, proxy.Options{})
		if errors.Is(err, proxy.ErrCachedClosed) {
			continue // each turn drops a connection that was kept
		}
		if err == nil && !q.Match(answer) {
			err = errors.New("it answered another question")
		}
		return answer, err
	}
}

// usable drops resolvers that are this server itself.
func usable(addresses, own []netip.AddrPort, log *slog.Logger) []netip.AddrPort {
	var kept []netip.AddrPort
	for _, a := range addresses {
		switch {
		case slices.Contains(kept, a):
		case slices.Contains(own, a):
			log.Warn("a resolver is this server itself, and is not asked", "resolver", a)
		default:
			kept = append(kept, a)
		}
	}
	return kept
}
