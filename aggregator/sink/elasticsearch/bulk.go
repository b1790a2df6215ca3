package elasticsearch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/lubberline/lubberline/aggregator/sink/queue"
)

// writer sends the entries of one sink's queue by _bulk.
type writer struct {
	client   *client
	template *template
	letters  *queue.DeadLetters
	metrics  *queue.Metrics
	maxBytes int
}

func (w *writer) prepare(entries [][]byte) queue.Job {
	j := &job{writer: w, maxBytes: w.maxBytes}
	for _, entry := range entries {
		body, err := unpackEntry(entry)
		if err == nil {
			var docs []document
			docs, err = documents(body)
			j.pending = append(j.pending, docs...)
		}
		if err != nil {
			j.letters = append(j.letters, queue.Letter{Reason: "corrupt entry of the queue: " + err.Error(), Item: entry})
		}
	}
	return j
}

// job is documents on their way. Only those that the server has not dealt with
// are sent again.
type job struct {
	writer   *writer
	pending  []document
	letters  []queue.Letter // to be written to the dead-letter file
	maxBytes int            // of a request; halved when the server finds it too large
}

// Try implements queue.Job. It sends each pending document once.
func (j *job) Try(ctx context.Context) error {
	if err := j.writer.template.ensure(ctx, j.writer.client); err != nil {
		return err
	}
	var again []document
	var putOff error
	for len(j.pending) > 0 {
		n, body := take(j.pending, j.maxBytes)
		items, err := j.send(ctx, j.pending[:n], body)
		if isRefusal(err) {
			j.refused(n, len(body), err)
			continue
		}
		if err != nil {
			j.pending = append(again, j.pending...)
			return errors.Join(err, j.bury())
		}
		left, err := j.sort(j.pending[:n], items)
		if err != nil {
			putOff = err
		}
		again = append(again, left...)
		j.pending = j.pending[n:]
	}
	j.pending = again
	return errors.Join(putOff, j.bury())
}

// take returns how many documents fit a request, at least one, and its body.
func take(docs []document, maxBytes int) (n int, body []byte) {
	size := 0
	for n < len(docs) && (n == 0 || size+docs[n].size() <= maxBytes) {
		size += docs[n].size()
		n++
	}
	body = make([]byte, 0, size)
	for _, d := range docs[:n] {
		body = append(append(body, d.action...), d.source...)
	}
	return n, body
}

const bulkPath = "/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"

// send sends one request and returns the results, nil if all were stored.
func (j *job) send(ctx context.Context, docs []document, body []byte) ([]itemResult, error) {
	for i := range docs {
		if docs[i].sent {
			j.writer.metrics.Retried.Inc()
		}
		docs[i].sent = true
	}
	text, err := j.writer.client.do(ctx, http.MethodPost, bulkPath, "application/x-ndjson", body)
	if err != nil {
		return nil, fmt.Errorf("send %d documents: %w", len(docs), err)
	}
	return decodeBulk(text, len(docs))
}

// isRefusal says whether the server will never take this very request.
func isRefusal(err error) bool {
	var answer *statusError
	return errors.As(err, &answer) &&
		(answer.status == http.StatusRequestEntityTooLarge || answer.status == http.StatusBadRequest)
}

// refused deals with a request of n documents that is refused as a whole:
// smaller ones will be tried, and a document that is refused alone is buried.
func (j *job) refused(n, size int, err error) {
	if n > 1 {
		j.maxBytes = size / 2
		return
	}
	j.letter(j.pending[0], err.Error())
	j.pending = j.pending[1:]
}

// sort goes through the results: each document is stored, there already, put
// off or buried.
func (j *job) sort(docs []document, items []itemResult) (again []document, err error) {
	m := j.writer.metrics
	if items == nil {
		m.Written.Add(float64(len(docs)))
	}
	for i, item := range items {
		switch outcomeOf(item) {
		case stored:
			m.Written.Inc()
		case duplicate:
			m.Duplicates.Inc()
		case putOff:
			again = append(again, docs[i])
			err = fmt.Errorf("elasticsearch put a document off (%d): %s", item.Status, item.Error)
		case refused:
			j.letter(docs[i], item.Error.String())
		}
	}
	return again, err
}

func (j *job) letter(d document, reason string) {
	var action map[string]struct {
		Index string `json:"_index"`
	}
	target := ""
	if json.Unmarshal(d.action, &action) == nil {
		target = action["create"].Index
	}
	j.letters = append(j.letters, queue.Letter{Reason: reason, Target: target, Item: []byte(strings.TrimSuffix(string(d.source), "\n"))})
}

// bury writes the letters; those that cannot be written are kept.
func (j *job) bury() error {
	if err := j.writer.letters.Write(j.letters...); err != nil {
		return fmt.Errorf("elasticsearch: %w", err)
	}
	j.writer.metrics.DeadLettered.Add(float64(len(j.letters)))
	j.letters = nil
	return nil
}
