package forward

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// chunkOverhead is what a chunk in hand counts beside its bytes.
const chunkOverhead = 512

var errStopping = errors.New("server is closing")

// connection is one client.
type connection struct {
	server   *Server
	net      net.Conn
	remote   string
	peer     string // see Chunk.Peer; set by the handshake
	decoder  *Decoder
	reserved int64 // of the budget, for the frame that is being read
	stopping atomic.Bool

	mu       sync.Mutex
	changed  sync.Cond
	acks     []byte // encoded, not written yet
	pending  int    // chunks whose done was not called
	readDone bool   // no further chunk will come
	failed   bool   // a handler failed, or acks cannot be written
}

func newConnection(s *Server, n net.Conn) *connection {
	c := &connection{server: s, net: n, remote: n.RemoteAddr().String()}
	if c.remote == "" || c.remote == "@" {
		c.remote = "unix:" + n.LocalAddr().String()
	}
	c.changed.L = &c.mu
	c.decoder = NewDecoder(c, s.options.Limits)
	c.decoder.reserve = c.reserve
	return c
}

// Read implements io.Reader for the decoder, with the deadlines that apply.
func (c *connection) Read(b []byte) (int, error) {
	var deadline time.Time
	limits := &c.server.options.Limits
	if midFrame := len(c.decoder.stream.buf) > c.decoder.stream.start; midFrame {
		deadline = time.Now().Add(limits.FrameTime)
	} else if limits.IdleTime > 0 {
		deadline = time.Now().Add(limits.IdleTime)
	}
	_ = c.net.SetReadDeadline(deadline)
	if c.stopping.Load() { // stop's deadline may have come before ours
		return 0, errStopping
	}
	n, err := c.net.Read(b)
	c.server.metrics.bytes.Add(float64(n))
	if err != nil && c.stopping.Load() {
		err = errStopping
	}
	return n, err
}

// stop makes the reader end; chunks in hand go on.
func (c *connection) stop() {
	c.stopping.Store(true)
	_ = c.net.SetReadDeadline(time.Unix(1, 0))
}

// abandon ends the connection without waiting for chunks in hand.
func (c *connection) abandon() {
	c.stop()
	c.net.Close()
	c.mu.Lock()
	c.failed = true
	c.pending = 0
	c.mu.Unlock()
	c.changed.Broadcast()
}

func (c *connection) serve() {
	defer c.net.Close()
	if err := c.handshake(); err != nil {
		if !quietEnd(err) {
			c.server.metrics.handshakeFailures.Inc()
			c.server.warn("handshake", "forward handshake failed", "remote", c.remote, "error", err)
		}
		return
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		c.writeAcks()
	}()
	c.complain(c.readFrames())
	c.mu.Lock()
	c.readDone = true
	c.mu.Unlock()
	c.changed.Broadcast()
	<-written
}

// quietEnd tells whether an error is only the connection's or the server's end.
func quietEnd(err error) bool {
	return err == nil || errors.Is(err, io.EOF) || errors.Is(err, errStopping) || errors.Is(err, net.ErrClosed)
}

func (c *connection) complain(err error) {
	switch {
	case quietEnd(err):
	case isPeersFault(err):
		c.server.metrics.badFrames.Inc()
		c.server.warn("frame", "bad forward frame, closing the connection", "remote", c.remote, "error", err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.server.warn("frame", "forward client is silent, closing the connection", "remote", c.remote)
	default:
		c.server.warn("frame", "forward connection broke", "remote", c.remote, "error", err)
	}
}

// handshake does TLS's, and the protocol's own where it is asked for.
func (c *connection) handshake() error {
	options := &c.server.options
	ctx, cancel := context.WithTimeout(c.server.ctx, options.Limits.HandshakeTime)
	defer cancel()
	if t, ok := c.net.(*tls.Conn); ok {
		if err := t.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("tls: %w", err)
		}
		if chains := t.ConnectionState().VerifiedChains; len(chains) > 0 {
			c.peer = chains[0][0].Subject.CommonName
		}
	}
	if options.SharedKey == "" && len(options.Users) == 0 {
		return nil
	}
	var late atomic.Bool
	timer := time.AfterFunc(options.Limits.HandshakeTime, func() {
		late.Store(true)
		c.stop()
	})
	defer timer.Stop()
	err := c.exchange(options.Credentials)
	if late.Load() && (err == nil || errors.Is(err, errStopping)) {
		err = fmt.Errorf("no PING within %s", options.Limits.HandshakeTime)
	}
	return err
}

func (c *connection) exchange(credentials Credentials) error {
	h := hello{nonce: newSalt(), keepalive: true}
	if len(credentials.Users) > 0 {
		h.auth = newSalt()
	}
	if err := c.write(h.append(nil)); err != nil {
		return err
	}
	raw, err := c.decoder.stream.message()
	if err != nil {
		return err
	}
	p, err := parsePing(raw)
	if err != nil {
		return err
	}
	reason := credentials.check(p, h)
	if err := c.write(newPong(credentials, p, h, reason).append(nil)); err != nil {
		return err
	}
	if reason != "" {
		return fmt.Errorf("%w: %s (client %.100q)", ErrRefused, reason, p.hostname)
	}
	return nil
}

func (c *connection) write(b []byte) error {
	if err := c.net.SetWriteDeadline(time.Now().Add(c.server.options.Limits.FrameTime)); err != nil {
		return err
	}
	_, err := c.net.Write(b)
	return err
}

// reserve takes the budget for a frame before its body is read.
func (c *connection) reserve(n int) error {
	c.reserved = int64(n) + chunkOverhead
	if !c.server.budget.acquire(c.reserved) {
		return errStopping
	}
	return nil
}

func (c *connection) readFrames() error {
	for !c.stopping.Load() {
		c.reserved = 0
		if err := c.readFrame(); err != nil {
			c.server.budget.release(c.reserved, 0)
			return err
		}
	}
	return nil
}

// readFrame hands one chunk to the handler. On an error what is reserved is the
// caller's to release.
func (c *connection) readFrame() error {
	chunk, err := c.decoder.Next()
	if err != nil {
		return err
	}
	chunk.Remote, chunk.Peer = c.remote, c.peer
	c.server.metrics.frames[chunk.Mode].Inc()
	if c.reserved == 0 {
		if err := c.reserve(len(chunk.Entries)); err != nil {
			return err
		}
	}
	var expanded int64
	if chunk.Mode == ModeCompressed {
		expanded, err = c.server.budget.expand(func() (int64, error) {
			err := chunk.Decompress(c.server.options.Limits.DecompressedBytes)
			return int64(len(chunk.Entries)), err
		})
		if err != nil {
			return err
		}
	}
	c.mu.Lock()
	c.pending++
	c.mu.Unlock()
	c.server.options.Handler.Handle(c.server.ctx, chunk, c.finisher(chunk.FrameOptions.Chunk, c.reserved, expanded))
	return nil
}

// finisher makes the done function of one chunk.
func (c *connection) finisher(id string, reserved, expanded int64) func(error) {
	var called atomic.Bool
	return func(err error) {
		if called.Swap(true) {
			return
		}
		c.server.budget.release(reserved, expanded)
		if err != nil {
			c.server.metrics.refused.Inc()
			c.server.warn("refused", "forward chunk not taken, the client has to send it again", "remote", c.remote, "chunk", id, "error", err)
			c.stop()
		}
		c.mu.Lock()
		c.pending--
		if err == nil && id != "" && !c.failed {
			c.acks = c.appendAck(c.acks, id)
		}
		c.mu.Unlock()
		c.changed.Signal()
	}
}

func (c *connection) appendAck(dst []byte, id string) []byte {
	c.server.metrics.acks.Inc()
	if c.decoder.IsJSON() {
		text, _ := json.Marshal(map[string]string{"ack": id})
		return append(dst, text...)
	}
	dst = msgp.AppendMapHeader(dst, 1)
	return msgp.AppendString(msgp.AppendString(dst, "ack"), id)
}

// writeAcks writes acknowledgements until all chunks are done and no more come.
func (c *connection) writeAcks() {
	var out []byte
	for {
		c.mu.Lock()
		for len(c.acks) == 0 && !(c.readDone && c.pending <= 0) {
			c.changed.Wait()
		}
		out, c.acks = c.acks, out[:0]
		c.mu.Unlock()
		if len(out) == 0 {
			return
		}
		if err := c.write(out); err != nil {
			c.mu.Lock()
			c.failed = true
			c.mu.Unlock()
			c.stop()
		}
	}
}
