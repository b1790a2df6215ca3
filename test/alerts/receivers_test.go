package alerts

import (
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
)

// message is one that arrived.
type message struct {
	Status      string
	GroupLabels map[string]string
	Alerts      []struct {
		Status              string
		Labels, Annotations map[string]string
	}
	path, body string
}

// is the message's status and alerts, in order of their names.
func (m *message) String() string {
	var all []string
	for _, a := range m.Alerts {
		all = append(all, a.Labels["alertname"]+" "+a.Status)
	}
	slices.Sort(all)
	return m.GroupLabels["namespace"] + ": " + strings.Join(all, ", ")
}

// web is a receiver of messages by HTTP.
type web struct {
	*httptest.Server
	mu  sync.Mutex
	all []message
}

// newWeb answers with what answer says for the n-th message; nil is 200.
func newWeb(t *testing.T, answer func(n int) (status int, body string)) *web {
	w := &web{}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		m := message{path: r.URL.Path, body: string(body)}
		_ = json.Unmarshal(body, &m)
		w.mu.Lock()
		w.all = append(w.all, m)
		n := len(w.all)
		w.mu.Unlock()
		if answer != nil {
			status, text := answer(n)
			rw.WriteHeader(status)
			_, _ = io.WriteString(rw, text)
		}
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *web) got() []message {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.all)
}

// await returns the messages once there are as many.
func (w *web) await(t *testing.T, n int) []message {
	t.Helper()
	require.Eventually(t, func() bool { return len(w.got()) >= n }, patience, pause, "messages that must come")
	return w.got()
}

func (w *web) told() []string {
	var all []string
	for _, m := range w.got() {
		all = append(all, m.String())
	}
	slices.Sort(all)
	return all
}

// letter is an e-mail that arrived.
type letter struct {
	from, subject, html string
	to                  []string
}

// post is an SMTP server that keeps what it gets.
type post struct {
	address string
	mu      sync.Mutex
	letters []letter
}

func newPost(t *testing.T) *post {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &post{address: l.Addr().String()}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{p: p}, nil }))
	server.Domain = "localhost"
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return p
}

func (p *post) await(t *testing.T, n int) []letter {
	t.Helper()
	get := func() []letter {
		p.mu.Lock()
		defer p.mu.Unlock()
		return slices.Clone(p.letters)
	}
	require.Eventually(t, func() bool { return len(get()) >= n }, patience, pause, "letters that must come")
	return get()
}

// session is one client of the post.
type session struct {
	p *post
	l letter
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error { s.l.from = from; return nil }
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.l.to = append(s.l.to, to)
	return nil
}
func (s *session) Reset()        { s.l = letter{} }
func (s *session) Logout() error { return nil }

// Data reads a letter with one part in HTML.
func (s *session) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	if s.l.subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		return err
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	part, err := multipart.NewReader(m.Body, params["boundary"]).NextRawPart()
	if err != nil {
		return err
	}
	html, err := io.ReadAll(quotedprintable.NewReader(part))
	if err != nil {
		return err
	}
	s.l.html = string(html)
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	s.p.letters = append(s.p.letters, s.l)
	return nil
}
