package elasticsearch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lubberline/lubberline/aggregator/sink/queue"
)

// maxAnswerBytes bounds what is read of an answer.
const maxAnswerBytes = 64 << 20

// client sends requests. It asks no server what product it is, so Elasticsearch
// of any version and OpenSearch will do.
type client struct {
	options *Options
	turn    atomic.Uint32 // index of the URL in use, modulo their number
}

// statusError is an answer other than 2xx.
type statusError struct {
	status int
	reason string
}

func (e *statusError) Error() string {
	switch e.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Sprintf("elasticsearch: the server refuses our credentials (%d): %s", e.status, e.reason)
	default:
		return fmt.Sprintf("elasticsearch answered %d: %s", e.status, e.reason)
	}
}

// do sends a request and returns the body of a 2xx answer. Any other answer is
// a *statusError, wrapped in a *queue.Delay where the server said when to come
// again. An error makes the next request go to the next node.
func (c *client) do(ctx context.Context, method, path, contentType string, body []byte) ([]byte, error) {
	turn := c.turn.Load()
	base := strings.TrimSuffix(c.options.URLs[int(turn)%len(c.options.URLs)], "/")
	req, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("elasticsearch: %w", err)
	}
	req.Header.Set("Content-Type", contentType)
	c.authorize(req)
	res, err := c.options.HTTPClient.Do(req)
	if err != nil {
		c.turn.CompareAndSwap(turn, turn+1)
		return nil, fmt.Errorf("elasticsearch: %w", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes))
	if err != nil {
		c.turn.CompareAndSwap(turn, turn+1)
		return nil, fmt.Errorf("elasticsearch: read the answer: %w", err)
	}
	if res.StatusCode/100 == 2 {
		return text, nil
	}
	if res.StatusCode >= 500 {
		c.turn.CompareAndSwap(turn, turn+1)
	}
	return nil, delayed(res, &statusError{status: res.StatusCode, reason: reasonOf(text)})
}

func (c *client) authorize(req *http.Request) {
	switch o := c.options; {
	case o.APIKey != "":
		req.Header.Set("Authorization", "ApiKey "+o.APIKey)
	case o.Username != "":
		req.SetBasicAuth(o.Username, o.Password)
	}
}

func delayed(res *http.Response, err error) error {
	if seconds, convErr := strconv.Atoi(res.Header.Get("Retry-After")); convErr == nil && seconds > 0 {
		return &queue.Delay{After: time.Duration(seconds) * time.Second, Err: err}
	}
	return err
}

// reasonOf finds the words in an error answer.
func reasonOf(text []byte) string {
	var answer struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(text, &answer) == nil && len(answer.Error) > 0 {
		var e itemError
		if json.Unmarshal(answer.Error, &e) == nil && e.Reason != "" {
			return e.String()
		}
		return shorten(string(answer.Error))
	}
	return shorten(strings.TrimSpace(string(text)))
}

func shorten(s string) string {
	if len(s) > 300 {
		return s[:300] + "…"
	}
	return s
}

// put sends a JSON document.
func (c *client) put(ctx context.Context, path string, document any) error {
	body, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("elasticsearch: encode %s: %w", path, err)
	}
	_, err = c.do(ctx, http.MethodPut, path, "application/json", body)
	return err
}
