package heapster

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
)

const jsonType = "application/json"

// failure is an error that knows its HTTP status.
type failure struct {
	status int
	text   string
}

func (f *failure) Error() string { return f.text }

func notFound(format string, args ...any) error {
	return &failure{http.StatusNotFound, fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) error {
	return &failure{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// text answers with a plain message, as Heapster's errors are.
func text(c *gin.Context, status int, message string) {
	c.Data(status, "text/plain; charset=utf-8", []byte(message))
}

// pretty answers with JSON indented by one space.
func pretty(c *gin.Context, v any) error {
	raw, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	c.Data(http.StatusOK, jsonType, raw)
	return nil
}

// compact answers with JSON on one line.
func compact(c *gin.Context, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	c.Data(http.StatusOK, jsonType, raw)
	return nil
}

// stamp is a time as Heapster writes it: RFC 3339, whole seconds.
type stamp time.Time

// MarshalJSON writes the time.
func (s stamp) MarshalJSON() ([]byte, error) {
	return time.Time(s).UTC().AppendFormat(nil, `"`+time.RFC3339+`"`), nil
}

// compress packs the answer the way the client offers to take it.
func compress(c *gin.Context) {
	var w io.WriteCloser
	switch offered := c.GetHeader("Accept-Encoding"); {
	case strings.Contains(offered, "gzip"):
		w, _ = gzip.NewWriterLevel(c.Writer, gzip.BestSpeed)
		c.Header("Content-Encoding", "gzip")
	case strings.Contains(offered, "deflate"):
		w, _ = zlib.NewWriterLevel(c.Writer, zlib.BestSpeed)
		c.Header("Content-Encoding", "deflate")
	default:
		return
	}
	c.Header("Vary", "Accept-Encoding")
	plain := c.Writer
	c.Writer = &packed{ResponseWriter: plain, w: w}
	c.Next()
	if err := w.Close(); err != nil {
		_ = c.Error(fmt.Errorf("compress answer: %w", err))
	}
	c.Writer = plain
}

// packed writes through a compressor. gin states the length of what it is given,
// which is not what goes over the wire.
type packed struct {
	gin.ResponseWriter
	w io.Writer
}

func (p *packed) Write(b []byte) (int, error) {
	p.Header().Del("Content-Length")
	return p.w.Write(b)
}

func (p *packed) WriteString(s string) (int, error) { return p.Write([]byte(s)) }
