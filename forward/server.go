package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

// Handler takes chunks. Handle is called for the chunks of one connection in
// order, by the goroutine that reads it: while it blocks, that connection is not
// read. It must see to it that done is called once, at any time and from any
// goroutine: with nil when the chunk is safe, which is when a chunk with an id
// is acknowledged, or with an error, upon which there is no acknowledgement and
// the connection is closed once its other chunks are done, so that the client
// sends again. Bad events within a chunk are no error: a repetition would bring
// them again.
type Handler interface {
	Handle(ctx context.Context, c *Chunk, done func(error))
}

// Options describe a server.
type Options struct {
	// Name is the label "server" of the metrics.
	Name string
	// Listeners are tcp, tls or unix; the server closes them.
	Listeners []net.Listener
	// Heartbeat answers datagrams on the TCP listeners' ports, as version 0 of
	// the protocol has it.
	Heartbeat bool
	// Credentials ask for a handshake when SharedKey or Users are set.
	Credentials
	Limits  Limits
	Handler Handler
	// Logger and Registerer may be nil.
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Server receives chunks.
type Server struct {
	options Options
	log     *slog.Logger
	metrics *serverMetrics
	budget  *budget
	ctx     context.Context // of handlers; ends when Shutdown gives up waiting
	cancel  context.CancelFunc

	packets []net.PacketConn
	group   sync.WaitGroup // accept loops, heartbeats and connections
	grumble map[string]*rate.Sometimes

	mu          sync.Mutex
	connections map[*connection]struct{}
	closing     bool
}

// NewServer makes a server on listeners that are open already. Serve starts it.
func NewServer(o Options) (*Server, error) {
	if o.Handler == nil || len(o.Listeners) == 0 {
		return nil, errors.New("forward server without a handler or a listener")
	}
	o.Limits.complete()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		options: o, log: o.Logger, budget: newBudget(o.Limits.InFlightBytes),
		connections: make(map[*connection]struct{}),
		grumble:     make(map[string]*rate.Sometimes),
	}
	for _, subject := range []string{"accept", "limit", "handshake", "frame", "refused", "heartbeat"} {
		s.grumble[subject] = &rate.Sometimes{First: 5, Interval: 10 * time.Second}
	}
	var err error
	if s.metrics, err = newServerMetrics(o.Registerer, o.Name, s.budget); err != nil {
		return nil, fmt.Errorf("forward server: register metrics: %w", err)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if o.Heartbeat {
		s.listenPackets()
	}
	return s, nil
}

// Serve accepts connections until Shutdown. It returns nil then, and the error
// of the first listener that fails for good otherwise.
func (s *Server) Serve() error {
	failed := make(chan error, len(s.options.Listeners))
	for _, l := range s.options.Listeners {
		s.group.Go(func() {
			failed <- s.accept(l)
		})
	}
	for _, p := range s.packets {
		s.group.Go(func() {
			s.answerHeartbeats(p)
		})
	}
	for range s.options.Listeners {
		if err := <-failed; err != nil {
			return err
		}
	}
	return nil
}

// Addr is the address of the first listener.
func (s *Server) Addr() net.Addr { return s.options.Listeners[0].Addr() }

const acceptPause = 100 * time.Millisecond

func (s *Server) accept(l net.Listener) error {
	for {
		c, err := l.Accept()
		if s.isClosing() {
			if err == nil {
				c.Close()
			}
			return nil
		}
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("forward listener %s: %w", l.Addr(), err)
			}
			s.warn("accept", "cannot accept a forward connection", "listener", l.Addr().String(), "error", err)
			select { // out of files, most likely: let some close
			case <-time.After(acceptPause):
			case <-s.ctx.Done():
			}
			continue
		}
		s.admit(c)
	}
}

// admit serves a connection unless there are too many.
func (s *Server) admit(c net.Conn) {
	connection := newConnection(s, c)
	s.mu.Lock()
	full := len(s.connections) >= s.options.Limits.Connections
	if !full && !s.closing {
		s.connections[connection] = struct{}{}
		s.group.Add(1)
	} else {
		full = true
	}
	s.mu.Unlock()
	if full {
		c.Close()
		s.metrics.rejected.Inc()
		s.warn("limit", "too many forward connections", "remote", connection.remote, "limit", s.options.Limits.Connections)
		return
	}
	s.metrics.accepted.Inc()
	s.metrics.connections.Inc()
	go func() {
		defer s.group.Done()
		connection.serve()
		s.metrics.connections.Dec()
		s.mu.Lock()
		delete(s.connections, connection)
		s.mu.Unlock()
	}()
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// Shutdown closes the listeners, reads no more, and waits until the chunks in
// hand are done and acknowledged. When ctx ends before that, it cancels the
// handlers' context, closes the connections and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	for c := range s.connections {
		c.stop()
	}
	s.mu.Unlock()
	s.budget.close()
	for _, l := range s.options.Listeners {
		l.Close()
	}
	for _, p := range s.packets {
		p.Close()
	}
	finished := make(chan struct{})
	go func() {
		s.group.Wait()
		close(finished)
	}()
	select {
	case <-finished:
		s.cancel()
		s.metrics.Unregister()
		return nil
	case <-ctx.Done():
	}
	s.cancel()
	s.abandon()
	<-finished
	s.metrics.Unregister()
	return ctx.Err()
}

// abandon closes the connections whatever is in hand.
func (s *Server) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.connections {
		c.abandon()
	}
}

// warn logs, not too often for each subject.
func (s *Server) warn(subject, message string, args ...any) {
	s.grumble[subject].Do(func() { s.log.Warn(message, args...) }) //nolint:sloglint // callers pass constants
}

// listenPackets opens the UDP ports beside the TCP ones. A port that is taken
// costs heartbeats only.
func (s *Server) listenPackets() {
	for _, l := range s.options.Listeners {
		addr, ok := l.Addr().(*net.TCPAddr)
		if !ok {
			continue
		}
		p, err := net.ListenPacket("udp", addr.String())
		if err != nil {
			s.warn("heartbeat", "no UDP heartbeat beside a forward listener", "listener", addr.String(), "error", err)
			continue
		}
		s.packets = append(s.packets, p)
	}
}

// answerHeartbeats answers every datagram with a zero byte.
func (s *Server) answerHeartbeats(p net.PacketConn) {
	var b [1]byte
	for {
		_, from, err := p.ReadFrom(b[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if from == nil {
			continue
		}
		s.metrics.heartbeats.Inc()
		if _, err := p.WriteTo([]byte{0}, from); err != nil {
			s.warn("heartbeat", "cannot answer a heartbeat", "remote", from.String(), "error", err)
		}
	}
}
