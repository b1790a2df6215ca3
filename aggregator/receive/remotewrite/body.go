package remotewrite

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"sync"

	"github.com/klauspost/compress/snappy"

	"github.com/lubberline/lubberline/aggregator/rollup"
)

// protocol is the version of remote write.
type protocol int

const (
	v1 protocol = iota
	v2
)

// Names of the messages in the Content-Type's proto parameter.
const (
	protoV1 = "prometheus.WriteRequest"
	protoV2 = "io.prometheus.write.v2.Request"
)

// negotiate reads method, content type and encoding. Senders older than the
// specification leave the headers out: that is 1.0 with snappy.
func negotiate(r *http.Request) (protocol, error) {
	if r.Method != http.MethodPost {
		return v1, fail(http.StatusMethodNotAllowed, "method %s: remote write is POST", r.Method)
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "snappy" {
		return v1, fail(http.StatusUnsupportedMediaType, "content encoding %q: only snappy is understood", enc)
	}
	contentType := r.Header.Get("Content-Type")
	if contentType == "" {
		return v1, nil
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil || media != "application/x-protobuf" {
		return v1, fail(http.StatusUnsupportedMediaType, "content type %q: want application/x-protobuf", contentType)
	}
	switch params["proto"] {
	case "", protoV1:
		return v1, nil
	case protoV2:
		return v2, nil
	}
	return v1, fail(http.StatusUnsupportedMediaType, "message %q: want %s or %s", params["proto"], protoV1, protoV2)
}

// buffer is the memory of one request, used again by the next.
type buffer struct {
	body    bytes.Buffer
	message []byte
	scratch scratch
	samples []rollup.Sample
}

// snappyRatio is the most that snappy can compress: 64 bytes by a tag of 3. A
// header that declares more is false, and no memory is given for it.
const snappyRatio = 22

// keepBytes is the most memory a resting buffer may hold.
const keepBytes = 8 << 20

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func (b *buffer) release() {
	if b.body.Cap()+cap(b.message)+cap(b.samples)*40 > keepBytes {
		return
	}
	b.body.Reset()
	clear(b.samples) // labels must not outlive their series
	b.samples = b.samples[:0]
	buffers.Put(b)
}

// read returns the decompressed message. It is valid until release.
func (b *buffer) read(w http.ResponseWriter, r *http.Request, limits Limits) ([]byte, error) {
	if _, err := b.body.ReadFrom(http.MaxBytesReader(w, r.Body, limits.BodyBytes)); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, fail(http.StatusRequestEntityTooLarge, "body is larger than %d bytes", tooLarge.Limit)
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fail(http.StatusBadRequest, "body ends early after %d bytes", b.body.Len())
		}
		return nil, fail(http.StatusBadRequest, "read body: %w", err)
	}
	return b.decompress(limits)
}

// decompress trusts the declared length only after holding it to the limit.
func (b *buffer) decompress(limits Limits) ([]byte, error) {
	n, err := snappy.DecodedLen(b.body.Bytes())
	if err != nil {
		return nil, fail(http.StatusBadRequest, "snappy header of %d bytes: %w", b.body.Len(), err)
	}
	if n > limits.DecodedBytes {
		return nil, fail(http.StatusRequestEntityTooLarge, "decompressed message of %d bytes: at most %d are taken", n, limits.DecodedBytes)
	}
	if n > snappyRatio*(b.body.Len()+1) {
		return nil, fail(http.StatusBadRequest, "snappy header declares %d bytes: %d bytes cannot hold them", n, b.body.Len())
	}
	message, err := snappy.Decode(b.message[:cap(b.message)], b.body.Bytes())
	if err != nil {
		return nil, fail(http.StatusBadRequest, "decompress %d bytes: %w", b.body.Len(), err)
	}
	b.message = message
	return message, nil
}
