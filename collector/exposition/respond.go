package exposition

import (
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

const textType = "text/plain; version=0.0.4; charset=utf-8"

// buffers hold answers while they are made. They keep their size, which is that
// of the largest answer.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

var compressors = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level is a valid one
	return w
}}

// respond sends what fill appends, compressed when the client takes gzip.
func respond(w http.ResponseWriter, r *http.Request, contentType string, fill func([]byte) []byte) {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	*buffer = fill((*buffer)[:0])
	w.Header().Set("Content-Type", contentType)
	w.Header().Add("Vary", "Accept-Encoding")
	if !takesGzip(r) {
		_, _ = w.Write(*buffer) // the client may have gone
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	z := compressors.Get().(*gzip.Writer)
	defer compressors.Put(z)
	z.Reset(w)
	_, _ = z.Write(*buffer)
	_ = z.Close()
}

// takesGzip reads Accept-Encoding; a quality of 0 refuses.
func takesGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		coding, quality, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.TrimSpace(coding) == "gzip" {
			quality = strings.ReplaceAll(quality, " ", "")
			return strings.Trim(strings.TrimPrefix(quality, "q="), "0.") != "" || quality == ""
		}
	}
	return false
}
