package forward

import (
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/tinylib/msgp/msgp"
)

// ErrRefused is wrapped by every error of a handshake in which one side did not
// accept the other.
var ErrRefused = errors.New("handshake refused")

const (
	saltBytes = 16
	// maxHandshakeBytes is the longest HELO, PING or PONG.
	maxHandshakeBytes = 16 << 10
	handshakeDepth    = 4
)

// Credentials are what one end knows.
type Credentials struct {
	// Hostname is this end's name; the two ends' must differ.
	Hostname string
	// SharedKey is the same at both ends.
	SharedKey string
	// Users are the passwords by user name that a server accepts; none means
	// that it asks for none. A client has one at most.
	Users map[string]string
}

func newSalt() []byte {
	b := make([]byte, saltBytes)
	rand.Read(b)
	return b
}

// hexDigest is the hex form of the SHA-512 of the parts.
func hexDigest(parts ...[]byte) string {
	h := sha512.New()
	for _, p := range parts {
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// hello is the server's first message.
type hello struct {
	nonce, auth []byte
	keepalive   bool
}

func (h hello) append(dst []byte) []byte {
	dst = msgp.AppendArrayHeader(dst, 2)
	dst = msgp.AppendString(dst, "HELO")
	dst = msgp.AppendMapHeader(dst, 3)
	dst = msgp.AppendBytes(msgp.AppendString(dst, "nonce"), h.nonce)
	dst = msgp.AppendBytes(msgp.AppendString(dst, "auth"), h.auth)
	return msgp.AppendBool(msgp.AppendString(dst, "keepalive"), h.keepalive)
}

func parseHello(b []byte) (h hello, err error) {
	n, b, err := expect(b, "HELO")
	if err != nil || n < 2 {
		return h, fmt.Errorf("%w: no HELO", ErrMalformed)
	}
	pairs, b, err := ReadMapHead(b)
	if err != nil {
		return h, err
	}
	for range pairs {
		name, value, err := ReadText(b)
		if err != nil {
			return h, err
		}
		rest, err := Skip(value)
		if err != nil {
			return h, err
		}
		text, _, _ := ReadText(value)
		switch string(name) {
		case "nonce":
			h.nonce = text
		case "auth":
			h.auth = text
		case "keepalive":
			h.keepalive = value[0] == 0xc3
		}
		b = rest
	}
	return h, nil
}

// expect reads an array whose first element is a name.
func expect(b []byte, name string) (n int, rest []byte, err error) {
	n, b, err = readArrayHead(b)
	if err != nil {
		return 0, nil, err
	}
	got, rest, err := ReadText(b)
	if err != nil {
		return 0, nil, err
	}
	if string(got) != name {
		return 0, nil, fmt.Errorf("%w: %.20q where %s is due", ErrMalformed, got, name)
	}
	return n, rest, nil
}

// ping is the client's answer.
type ping struct {
	hostname                                     string
	salt                                         []byte
	sharedKeyDigest, username, passwordDigestHex string
}

func newPing(c Credentials, h hello) ping {
	salt := hex.EncodeToString(newSalt()) // Fluent Bit takes a salt as text only
	p := ping{hostname: c.Hostname, salt: []byte(salt)}
	p.sharedKeyDigest = p.digest(h, c.SharedKey)
	if len(h.auth) > 0 {
		for user, password := range c.Users {
			p.username = user
			p.passwordDigestHex = hexDigest(h.auth, []byte(user), []byte(password))
		}
	}
	return p
}

func (p ping) digest(h hello, key string) string {
	return hexDigest(p.salt, []byte(p.hostname), h.nonce, []byte(key))
}

func (p ping) append(dst []byte) []byte {
	dst = msgp.AppendArrayHeader(dst, 6)
	dst = msgp.AppendString(dst, "PING")
	dst = msgp.AppendString(dst, p.hostname)
	dst = msgp.AppendStringFromBytes(dst, p.salt)
	for _, s := range []string{p.sharedKeyDigest, p.username, p.passwordDigestHex} {
		dst = msgp.AppendString(dst, s)
	}
	return dst
}

func parsePing(b []byte) (p ping, err error) {
	n, b, err := expect(b, "PING")
	if err != nil {
		return p, err
	}
	if n != 6 {
		return p, fmt.Errorf("%w: PING of %d elements", ErrMalformed, n)
	}
	var fields [5][]byte
	for i := range fields {
		if fields[i], b, err = ReadText(b); err != nil {
			return p, fmt.Errorf("PING: %w", err)
		}
	}
	return ping{string(fields[0]), fields[1], string(fields[2]), string(fields[3]), string(fields[4])}, nil
}

// check returns why the client is not accepted; empty when it is.
func (c Credentials) check(p ping, h hello) string {
	if p.hostname == c.Hostname {
		return "same hostname between input and output: invalid configuration"
	}
	if !equal(p.sharedKeyDigest, p.digest(h, c.SharedKey)) {
		return "shared key mismatch"
	}
	if len(c.Users) == 0 {
		return ""
	}
	password, known := c.Users[p.username]
	right := equal(p.passwordDigestHex, hexDigest(h.auth, []byte(p.username), []byte(password)))
	if !known || !right {
		return "username/password mismatch"
	}
	return ""
}

// pong is the server's verdict.
type pong struct {
	ok                       bool
	reason, hostname, digest string
}

func newPong(c Credentials, p ping, h hello, reason string) pong {
	if reason != "" {
		return pong{reason: reason}
	}
	return pong{true, "", c.Hostname, hexDigest(p.salt, []byte(c.Hostname), h.nonce, []byte(c.SharedKey))}
}

func (p pong) append(dst []byte) []byte {
	dst = msgp.AppendArrayHeader(dst, 5)
	dst = msgp.AppendString(dst, "PONG")
	dst = msgp.AppendBool(dst, p.ok)
	for _, s := range []string{p.reason, p.hostname, p.digest} {
		dst = msgp.AppendString(dst, s)
	}
	return dst
}

func parsePong(b []byte) (p pong, err error) {
	n, b, err := expect(b, "PONG")
	if err != nil {
		return p, err
	}
	if n != 5 || !kindIs(b, kindBool) {
		return p, fmt.Errorf("%w: PONG", ErrMalformed)
	}
	p.ok = b[0] == 0xc3
	b = b[1:]
	for _, field := range []*string{&p.reason, &p.hostname, &p.digest} {
		var text []byte
		if text, b, err = ReadText(b); err != nil {
			return p, fmt.Errorf("PONG: %w", err)
		}
		*field = string(text)
	}
	return p, nil
}

// verify is what a client thinks of a server.
func (p pong) verify(c Credentials, sent ping, h hello) error {
	switch {
	case !p.ok:
		return fmt.Errorf("%w: server says %q", ErrRefused, p.reason)
	case p.hostname == c.Hostname:
		return fmt.Errorf("%w: server has our own hostname %q", ErrRefused, p.hostname)
	case !equal(p.digest, hexDigest(sent.salt, []byte(p.hostname), h.nonce, []byte(c.SharedKey))):
		return fmt.Errorf("%w: server does not have the shared key", ErrRefused)
	}
	return nil
}

// message reads one message of a handshake.
func (s *stream) message() ([]byte, error) {
	limit := s.limit
	s.limit = maxHandshakeBytes
	defer func() { s.limit = limit }()
	for {
		end, err := s.walk(0, handshakeDepth)
		if err != nil {
			return nil, noEOF(err)
		}
		if b := s.take(end); b[0] != 0xc0 {
			return b, nil
		}
	}
}
