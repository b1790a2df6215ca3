package influxdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	influxhttp "github.com/influxdata/influxdb-client-go/v2/api/http"

	"github.com/lubberline/lubberline/aggregator/sink/queue"
)

// job is texts of line protocol on their way. A text that InfluxDB refuses in
// part is split until the bad points stand alone; the good ones of a refused
// text may be written several times on the way, which changes nothing.
type job struct {
	sink   *Sink
	pieces [][]byte // still to be written
	tried  bool
	made   bool // the database or bucket was made for this job
}

// Try implements queue.Job.
func (j *job) Try(ctx context.Context) error {
	for len(j.pieces) > 0 {
		piece := j.pieces[0]
		if j.tried {
			j.sink.metrics.Retried.Add(float64(lines(piece)))
		}
		err := j.sink.write.WriteRecord(ctx, string(piece))
		if err == nil {
			j.done(piece)
			continue
		}
		if err := j.failed(ctx, piece, err); err != nil {
			j.tried = true
			return err
		}
	}
	return nil
}

// done counts the first piece as written and drops it.
func (j *job) done(piece []byte) {
	j.sink.metrics.Written.Add(float64(lines(piece)))
	j.drop()
}

func (j *job) drop() {
	j.pieces, j.tried = j.pieces[1:], false
}

// failed deals with an error of the first piece. It returns nil when there is
// something to go on with at once, an error when the queue's clock must wait.
func (j *job) failed(ctx context.Context, piece []byte, err error) error {
	status, message := describe(err)
	switch {
	case isMissing(status, message):
		return j.make(ctx, message)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fmt.Errorf("influxdb: the server refuses our credentials (%d): %s", status, message)
	case strings.Contains(message, "points beyond retention policy"):
		return j.expired(piece, message)
	case status == http.StatusBadRequest || status == http.StatusUnprocessableEntity || status == http.StatusRequestEntityTooLarge:
		return j.refused(piece, message)
	}
	return retryAfter(err, fmt.Errorf("influxdb: write %d points: %w", lines(piece), err))
}

// make makes what is missing, once a job: a server that goes on missing what it
// says it has made must wait.
func (j *job) make(ctx context.Context, message string) error {
	if j.made {
		return fmt.Errorf("influxdb: %s, though it was made", message)
	}
	if err := j.sink.create(ctx); err != nil {
		return fmt.Errorf("influxdb: %s, and it cannot be made: %w", message, err)
	}
	j.made = true
	j.sink.options.Logger.Info("made the database or bucket", "sink", sinkName, "name", j.sink.options.bucket())
	return nil
}

// describe returns the HTTP status, 0 where there was no answer, and the
// server's words.
func describe(err error) (status int, message string) {
	var answer *influxhttp.Error
	if !errors.As(err, &answer) || answer.StatusCode == 0 {
		return 0, err.Error()
	}
	if answer.Message == "" {
		return answer.StatusCode, answer.Error()
	}
	return answer.StatusCode, answer.Message
}

func retryAfter(cause, err error) error {
	var answer *influxhttp.Error
	if errors.As(cause, &answer) && answer.RetryAfter > 0 {
		return &queue.Delay{After: time.Duration(answer.RetryAfter) * time.Second, Err: err}
	}
	return err
}

// isMissing says whether the database, its policy or the bucket is not there.
// InfluxDB 1.8 answers 500 where the policy is missing.
func isMissing(status int, message string) bool {
	return status == http.StatusNotFound ||
		(status == http.StatusInternalServerError && strings.Contains(message, "retention policy not found"))
}

// dropped is how InfluxDB ends the message of a partial write.
var dropped = regexp.MustCompile(`dropped=(\d+)`)

func droppedCount(message string) int {
	m := dropped.FindStringSubmatch(message)
	if m == nil {
		return -1
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return -1
	}
	return n
}

// expired handles points older than what the server keeps: it would have
// deleted them by now. The rest of the text is written.
func (j *job) expired(piece []byte, message string) error {
	n := min(max(droppedCount(message), 0), lines(piece))
	j.sink.metrics.Expired.Add(float64(n))
	j.sink.metrics.Written.Add(float64(lines(piece) - n))
	j.drop()
	return nil
}

// conflict is how InfluxDB names the measurement whose field has another type.
var conflict = regexp.MustCompile(`field type conflict: input field "(.*)" on measurement "(.*)" is type`)

// refused puts the bad points of a text into the dead letters: at once where
// the message says which they are, else by halving the text.
func (j *job) refused(piece []byte, message string) error {
	if bad, good := j.named(piece, message); bad != nil {
		if err := j.bury(bad, message); err != nil {
			return err
		}
		j.sink.metrics.Written.Add(float64(good))
		j.drop()
		return nil
	}
	texts := halves(piece)
	if len(texts) == 1 {
		if err := j.bury(piece, message); err != nil {
			return err
		}
		j.drop()
		return nil
	}
	j.pieces = append(texts, j.pieces[1:]...)
	j.tried = false
	return nil
}

// named returns the lines that a type conflict drops and how many others there
// are, if the message's count agrees with the lines of its measurement.
func (j *job) named(piece []byte, message string) (bad []byte, good int) {
	m := conflict.FindStringSubmatch(message)
	if m == nil {
		return nil, 0
	}
	prefix := append(appendEscaped(nil, m[2], ", "), ',')
	for line := range bytes.Lines(piece) {
		if bytes.HasPrefix(line, prefix) {
			bad = append(bad, line...)
		} else {
			good++
		}
	}
	if lines(bad) != droppedCount(message) {
		return nil, 0
	}
	return bad, good
}

// halves cuts a text between lines into two of about the same number of them.
// A text of one line stays one.
func halves(text []byte) [][]byte {
	want := lines(text) / 2
	at := 0
	for range want {
		at += bytes.IndexByte(text[at:], '\n') + 1
	}
	if at == 0 || at == len(text) {
		return [][]byte{text}
	}
	return [][]byte{text[:at], text[at:]}
}

func (j *job) bury(bad []byte, reason string) error {
	var letters []queue.Letter
	for line := range bytes.Lines(bad) {
		letters = append(letters, queue.Letter{
			Reason: reason, Target: j.sink.options.bucket(), Item: bytes.TrimSuffix(line, []byte{'\n'}),
		})
	}
	if err := j.sink.letters.Write(letters...); err != nil {
		return fmt.Errorf("influxdb: %w", err)
	}
	j.sink.metrics.DeadLettered.Add(float64(len(letters)))
	return nil
}
