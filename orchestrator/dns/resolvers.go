package dns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// lookInterval is how long the resolv.conf is not looked at again. Nothing looks
// at it while nobody asks.
const lookInterval = time.Second

// upstream leads to the resolvers of the moment.
type upstream struct {
	path  string           // of a resolv.conf; empty where the resolvers are fixed
	fixed []netip.AddrPort // in its place
	own   []netip.AddrPort // where this server listens
	log   *slog.Logger
	now   func() time.Time

	current atomic.Pointer[forwarder]
	waiting atomic.Int64
	loop    loopGuard

	mu     sync.Mutex // guards what follows, and changes of current
	looked time.Time
	file   fileStamp
	closed bool
}

// fileStamp tells one content of a file from the next.
type fileStamp struct {
	modified time.Time
	size     int64
	info     fs.FileInfo
}

func (s fileStamp) same(o fileStamp) bool {
	if s.info == nil || o.info == nil {
		return s.info == o.info
	}
	return s.modified.Equal(o.modified) && s.size == o.size && os.SameFile(s.info, o.info)
}

func newUpstream(o Options, own []netip.AddrPort) *upstream {
	u := &upstream{path: o.ResolvConf, fixed: o.Resolvers, own: own, log: o.Logger, now: time.Now}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.path == "" || len(u.fixed) > 0 {
		u.path = ""
		u.replaceLocked(u.fixed)
	} else {
		u.lookLocked(true)
	}
	return u
}

// Name implements plugin.Handler.
func (u *upstream) Name() string { return "upstream" }

// ServeDNS implements plugin.Handler.
func (u *upstream) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	f := u.refreshed()
	if f.probed(r) {
		return dns.RcodeRefused, nil
	}
	u.loop.again(u, f)
	return f.ServeDNS(ctx, w, r)
}

// refreshed returns the forwarder to the resolvers that hold now.
func (u *upstream) refreshed() *forwarder {
	if u.path != "" && u.mu.TryLock() { // who comes second takes what there is
		u.lookLocked(false)
		u.mu.Unlock()
	}
	return u.current.Load()
}

func (u *upstream) lookLocked(first bool) {
	if !first && u.now().Sub(u.looked) < lookInterval || u.closed {
		return
	}
	u.looked = u.now()
	var stamp fileStamp
	info, err := os.Stat(u.path)
	if err == nil {
		stamp = fileStamp{info.ModTime(), info.Size(), info}
	}
	if !first && stamp.same(u.file) {
		return
	}
	u.file = stamp
	resolvers, err := readResolvConf(u.path)
	if err != nil {
		u.log.Warn("the resolvers are unknown", "file", u.path, "error", err)
	}
	u.replaceLocked(resolvers)
}

func (u *upstream) replaceLocked(resolvers []netip.AddrPort) {
	resolvers = usable(resolvers, u.own, u.log)
	old := u.current.Load()
	if old != nil && slices.EqualFunc(old.resolvers, resolvers, func(r *resolver, a netip.AddrPort) bool { return r.address == a }) {
		return
	}
	u.log.Info("names of other domains are asked for elsewhere", "resolvers", resolvers)
	f := newForwarder(resolvers, &u.waiting)
	u.current.Store(f)
	if old != nil {
		old.close()
		u.loop.start(u, f)
	}
}

// close ends the connections to resolvers.
func (u *upstream) close() {
	u.mu.Lock()
	u.closed = true
	u.current.Load().close()
	u.mu.Unlock()
	u.loop.wait()
}

// readResolvConf returns the name servers of a file; none when there is no file.
func readResolvConf(path string) ([]netip.AddrPort, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	c, err := dns.ClientConfigFromReader(file)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(c.Port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("port %q: %w", c.Port, err)
	}
	var resolvers []netip.AddrPort
	for _, text := range c.Servers {
		a, parseErr := netip.ParseAddr(text)
		if parseErr != nil {
			err = errors.Join(err, fmt.Errorf("nameserver %q: not an IP address", text))
			continue
		}
		resolvers = append(resolvers, netip.AddrPortFrom(a, uint16(port)))
	}
	return resolvers, err
}
