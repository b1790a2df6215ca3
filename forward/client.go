package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

const (
	defaultDialTime  = 10 * time.Second
	defaultWriteTime = 60 * time.Second
	maxAckBytes      = 64 << 10
)

// ClientOptions describe a client.
type ClientOptions struct {
	// Network is "tcp" when empty, or "unix".
	Network string
	// Address is host:port, or a socket's path.
	Address string
	// TLS is used when not nil.
	TLS *tls.Config
	// Credentials make the client wait for the server's HELO when SharedKey is
	// set. Users has one entry at most. Hostname is the machine's when empty.
	Credentials
	// Key, when not nil, is asked for SharedKey at each Dial: a key that is
	// exchanged, or put right, is used from then on.
	Key func() (string, error)
	// DialTime bounds dialling and the handshakes, 10 s when 0.
	DialTime time.Duration
	// WriteTime bounds one Send, 60 s when 0.
	WriteTime time.Duration
}

// Client is one connection to a server. One goroutine may send while another
// reads acknowledgements.
type Client struct {
	options ClientOptions
	net     net.Conn
	stream  stream
	vector  net.Buffers
}

// Dial connects, and does the handshakes.
func Dial(ctx context.Context, o ClientOptions) (*Client, error) {
	if o.Network == "" {
		o.Network = "tcp"
	}
	if o.Hostname == "" {
		o.Hostname, _ = os.Hostname()
	}
	if o.Key != nil {
		key, err := o.Key()
		if err != nil {
			return nil, fmt.Errorf("dial %s: shared key: %w", o.Address, err)
		}
		o.SharedKey = key
	}
	setDefault(&o.DialTime, defaultDialTime)
	setDefault(&o.WriteTime, defaultWriteTime)
	ctx, cancel := context.WithTimeout(ctx, o.DialTime)
	defer cancel()
	conn, err := dial(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", o.Address, err)
	}
	c := &Client{options: o, net: conn, stream: stream{source: conn, limit: maxAckBytes}}
	if o.SharedKey != "" || len(o.Users) > 0 {
		if err := c.handshake(ctx); err != nil {
			conn.Close()
			return nil, fmt.Errorf("handshake with %s: %w", o.Address, err)
		}
	}
	return c, nil
}

func dial(ctx context.Context, o ClientOptions) (net.Conn, error) {
	if o.TLS != nil {
		d := tls.Dialer{Config: o.TLS}
		return d.DialContext(ctx, o.Network, o.Address)
	}
	var d net.Dialer
	return d.DialContext(ctx, o.Network, o.Address)
}

func (c *Client) handshake(ctx context.Context) error {
	defer func() { _ = c.net.SetDeadline(time.Time{}) }() // fails on a dead connection, which the next call tells
	defer context.AfterFunc(ctx, func() { _ = c.net.SetDeadline(time.Unix(1, 0)) })()
	raw, err := c.stream.message()
	if err != nil {
		return err
	}
	h, err := parseHello(raw)
	if err != nil {
		return err
	}
	p := newPing(c.options.Credentials, h)
	if _, err := c.net.Write(p.append(nil)); err != nil {
		return err
	}
	if raw, err = c.stream.message(); err != nil {
		return err
	}
	answer, err := parsePong(raw)
	if err != nil {
		return err
	}
	return answer.verify(c.options.Credentials, p, h)
}

// Send writes the parts of frames one after the other, in as few calls as the
// system allows. It does not wait for acknowledgements.
func (c *Client) Send(parts ...[]byte) error {
	if err := c.net.SetWriteDeadline(time.Now().Add(c.options.WriteTime)); err != nil {
		return fmt.Errorf("send to %s: %w", c.options.Address, err)
	}
	c.vector = append(c.vector[:0], parts...)
	rest := c.vector
	_, err := rest.WriteTo(c.net)
	clear(c.vector)
	if err != nil {
		return fmt.Errorf("send to %s: %w", c.options.Address, err)
	}
	return nil
}

// ReadAck waits for the next acknowledgement and returns its chunk id. With a
// timeout above 0 it gives up after that; the error then wraps
// os.ErrDeadlineExceeded.
func (c *Client) ReadAck(timeout time.Duration) (string, error) {
	if timeout > 0 {
		if err := c.net.SetReadDeadline(time.Now().Add(timeout)); err != nil {
			return "", fmt.Errorf("acknowledgement from %s: %w", c.options.Address, err)
		}
	}
	raw, err := c.stream.message()
	if err == nil {
		var id string
		if id, err = parseAck(raw); err == nil {
			return id, nil
		}
	}
	return "", fmt.Errorf("acknowledgement from %s: %w", c.options.Address, err)
}

func parseAck(b []byte) (string, error) {
	pairs, b, err := ReadMapHead(b)
	if err != nil {
		return "", err
	}
	for range pairs {
		name, value, err := ReadText(b)
		if err != nil {
			return "", err
		}
		if string(name) == "ack" {
			id, _, err := ReadText(value)
			return string(id), err
		}
		if b, err = Skip(value); err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("%w: no ack", ErrMalformed)
}

// Close ends the connection. A Send or ReadAck that waits returns.
func (c *Client) Close() error {
	err := c.net.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
