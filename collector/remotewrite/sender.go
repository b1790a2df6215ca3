package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/lubberline/lubberline/spool"
)

// reprobe is how long version 1.0 is used before 2.0 is tried again: receivers
// are upgraded seldom.
const reprobe = time.Hour

// sendAll delivers entries in order until the context ends. It never gives up
// on an entry that may still be taken.
func (w *Writer) sendAll(ctx context.Context) {
	backoff := newBackoff(w.options)
	for {
		entry, err := w.queue.Next(ctx)
		if ctx.Err() != nil || errors.Is(err, spool.ErrClosed) {
			return
		}
		if err == nil && !w.deliver(ctx, entry) {
			return
		}
		if err == nil {
			err = w.queue.Ack(entry.Seq)
		}
		if err == nil {
			backoff.reset()
			continue
		}
		w.metrics.spoolErrors.Inc()
		if backoff.logs() {
			w.logger.Error("cannot read the spool; trying again", "error", err)
		}
		if !backoff.wait(ctx, 0) {
			return
		}
	}
}

// deliver sends one entry until it is taken or refused for good; false when
// the context ended before.
func (w *Writer) deliver(ctx context.Context, entry spool.Entry) bool {
	backoff := newBackoff(w.options)
	for {
		a, err := w.try(ctx, entry)
		switch {
		case err == nil && a.status/100 == 2:
			w.metrics.sent.Inc()
			return true
		case ctx.Err() != nil:
			return false
		case errors.Is(err, errEntry) || err == nil && !retryable(a.status):
			w.refuse(entry, a, err)
			return true
		}
		w.metrics.failed.Inc()
		if backoff.logs() {
			w.logger.Warn("receiver takes no samples; they wait on disk", "url", w.client.url, "status", a.status, "answer", a.text, "error", err)
		}
		if !backoff.wait(ctx, a.retryAfter) {
			return false
		}
		w.metrics.retried.Inc()
	}
}

// retryable says whether the same request may be taken later. A token that is
// refused may be mended on either side, so that 401 and 403 lose nothing.
func retryable(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
		http.StatusProxyAuthRequired:
		return true
	}
	return status/100 == 5 || status/100 == 3
}

// errEntry is wrapped by errors about an entry that no receiver could take.
var errEntry = errors.New("bad entry")

// try sends an entry once, in the version that the receiver takes, and again in
// version 1.0 when it turns out not to take 2.0.
func (w *Writer) try(ctx context.Context, entry spool.Entry) (answer, error) {
	if w.version == v1 && time.Now().After(w.probeAt) {
		w.version = v2
	}
	if w.version == v2 {
		a, err := w.client.post(ctx, v2, entry.Data)
		if err != nil || !refusesV2(a) {
			return a, err
		}
		w.logger.Info("receiver does not take remote write 2.0; using 1.0", "url", w.client.url, "status", a.status)
		w.version, w.probeAt = v1, time.Now().Add(reprobe)
	}
	body, err := downgrade(entry.Data)
	if err != nil {
		return answer{}, err
	}
	return w.client.post(ctx, v1, body)
}

// refusesV2 recognises a receiver that knows only version 1.0. An old one does
// not look at the content type: it answers with success, but has read nothing,
// and does not say how many samples it wrote.
func refusesV2(a answer) bool {
	return a.status == http.StatusUnsupportedMediaType || a.status/100 == 2 && !a.written
}

// maxRaw is more than any request of this package is long.
const maxRaw = 256 << 20

// downgrade rewrites a spooled request as one of version 1.0.
func downgrade(entry []byte) ([]byte, error) {
	if n, err := s2.DecodedLen(entry); err == nil && n > maxRaw {
		return nil, fmt.Errorf("%w: it has %d bytes when decompressed", errEntry, n)
	}
	raw, err := s2.Decode(nil, entry)
	if err != nil {
		return nil, fmt.Errorf("%w: decompress: %w", errEntry, err)
	}
	body, err := toV1(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: rewrite as version 1.0: %w", errEntry, err)
	}
	return s2.EncodeSnappy(nil, body), nil
}

// refuse puts an entry aside that the receiver will never take.
func (w *Writer) refuse(entry spool.Entry, a answer, cause error) {
	w.metrics.deadLettered.Inc()
	text := a.text
	if cause != nil {
		text = cause.Error()
	}
	w.logger.Error("receiver refuses samples for good; see the dead-letter file",
		"file", w.letters.path, "seq", entry.Seq, "status", a.status, "answer", text)
	letter := deadLetter{Time: time.Now().UTC(), Seq: entry.Seq, Status: a.status, Answer: text, Request: entry.Data}
	if err := w.letters.add(letter); err != nil {
		w.logger.Error("cannot write the dead-letter file", "file", w.letters.path, "error", err)
	}
}
