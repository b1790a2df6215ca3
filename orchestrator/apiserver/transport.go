package apiserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
)

// transport carries requests of this process's own parts to the server's
// handler: the same filters, admission and encoding as over the network,
// without sockets and TLS.
type transport struct {
	// serving is closed once handler is there: requests wait for it.
	serving chan struct{}
	handler http.Handler
	// running ends when the server does, and every request with it.
	running context.Context
}

func newTransport(running context.Context) *transport {
	return &transport{serving: make(chan struct{}), running: running}
}

// serve lets requests through to handler. It may be called once.
func (t *transport) serve(handler http.Handler) {
	t.handler = handler
	close(t.serving)
}

// as is the transport of one user.
type as struct {
	*transport
	user user.Info
}

type ownUser struct{}

// authenticateOwn knows the users of the transport: nothing but it can put
// them into a request's context.
func authenticateOwn(r *http.Request) (*authenticator.Response, bool, error) {
	u, ok := r.Context().Value(ownUser{}).(user.Info)
	if !ok {
		return nil, false, nil
	}
	return &authenticator.Response{User: u}, true, nil
}

var errEnded = errors.New("the API server has ended")

// RoundTrip returns when the handler has ended or flushes for the first time.
func (t as) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-t.serving:
	case <-t.running.Done():
		return nil, errEnded
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	ctx, cancel := context.WithCancel(context.WithValue(r.Context(), ownUser{}, t.user))
	release := context.AfterFunc(t.running, cancel)
	in := r.Clone(ctx)
	in.RequestURI, in.RemoteAddr = r.URL.RequestURI(), "in-process"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := &response{request: r, cancel: cancel, started: make(chan struct{})}
	go func() {
		defer release()
		w.serve(t.handler, in)
	}()
	select {
	case <-w.started:
		return w.result()
	case <-r.Context().Done():
		cancel()
		return nil, r.Context().Err()
	}
}

// response is what a handler writes to and a client reads from. It keeps the
// body until the handler ends; one that flushes before is streamed from then.
type response struct {
	request *http.Request
	cancel  context.CancelFunc
	started chan struct{} // closed when the client may read
	once    sync.Once

	// These are the handler's until started is closed.
	header http.Header
	sent   http.Header // header at the time of WriteHeader
	status int
	buffer bytes.Buffer
	stream *io.PipeWriter
	body   io.ReadCloser
	err    error
}

func (w *response) serve(handler http.Handler, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			w.abort(fmt.Errorf("request aborted: %v", p))
			return
		}
		w.end()
	}()
	handler.ServeHTTP(w, r)
}

func (w *response) Header() http.Header {
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}

func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status, w.sent = status, w.Header().Clone()
	}
}

func (w *response) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.stream != nil {
		return w.stream.Write(p)
	}
	return w.buffer.Write(p)
}

// Flush turns the rest into a stream.
func (w *response) Flush() {
	w.WriteHeader(http.StatusOK)
	if w.stream != nil {
		return
	}
	reader, writer := io.Pipe()
	w.stream = writer
	w.body = &streamed{Reader: io.MultiReader(bytes.NewReader(w.buffer.Bytes()), reader), pipe: reader, cancel: w.cancel}
	w.once.Do(func() { close(w.started) })
}

// CloseNotify is asked for by the library's filters; the context does its work.
func (w *response) CloseNotify() <-chan bool { return make(chan bool) }

func (w *response) end() {
	w.WriteHeader(http.StatusOK)
	if w.stream != nil {
		_ = w.stream.Close()
		return
	}
	w.cancel()
	w.body = io.NopCloser(bytes.NewReader(w.buffer.Bytes()))
	w.once.Do(func() { close(w.started) })
}

func (w *response) abort(err error) {
	w.cancel()
	if w.stream != nil {
		_ = w.stream.CloseWithError(err)
		return
	}
	w.err = err
	w.once.Do(func() { close(w.started) })
}

func (w *response) result() (*http.Response, error) {
	if w.err != nil {
		return nil, w.err
	}
	length := int64(w.buffer.Len())
	if w.stream != nil {
		length = -1
	}
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Header: w.sent, Body: w.body, ContentLength: length,
		Proto: "HTTP/2.0", ProtoMajor: 2, Request: w.request,
	}, nil
}

// streamed is a body that is still being written.
type streamed struct {
	io.Reader
	pipe   *io.PipeReader
	cancel context.CancelFunc
}

// Close ends the handler.
func (s *streamed) Close() error {
	s.cancel()
	return s.pipe.Close()
}
