// Package push brings dashboards, their folders and data sources into a running
// Grafana over its HTTP API. What is there already is left alone, and so is what
// a person changed, unless they are told to be overwritten.
package push

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/grafana-tools/sdk"
)

// Error is an answer of Grafana that is not a success.
type Error struct {
	Status  int
	Message string
}

// Error says what Grafana said.
func (e *Error) Error() string {
	switch e.Status {
	case http.StatusUnauthorized:
		return "Grafana does not accept the credentials: " + e.Message
	case http.StatusForbidden:
		return "the credentials may not do this: " + e.Message
	}
	return fmt.Sprintf("Grafana answered %d: %s", e.Status, e.Message)
}

// status is the HTTP status of Grafana's refusal, 0 for another error.
func status(err error) int {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status
	}
	return 0
}

const (
	requestTimeout = 30 * time.Second
	maxErrorBody   = 64 << 10
)

// newClient returns the SDK's client over a transport that turns refusals into
// errors: the SDK itself takes many for answers, and fails on those without a
// message. Credentials are a token or USER:PASSWORD.
func newClient(url, credentials string, base http.RoundTripper) (*sdk.Client, error) {
	if !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
		return nil, fmt.Errorf("address of Grafana %q is not http://host:port", url)
	}
	if base == nil {
		base = http.DefaultTransport
	}
	client, err := sdk.NewClient(strings.TrimSuffix(url, "/"), credentials, &http.Client{Timeout: requestTimeout, Transport: transport{base}})
	if err != nil {
		return nil, fmt.Errorf("address of Grafana %q: %w", url, err)
	}
	return client, nil
}

// transport adds to requests what the SDK has no field for, and turns refusals
// into errors.
type transport struct{ base http.RoundTripper }

// saving is what goes along with a dashboard: the folder by UID, which versions
// of Grafana without numbers for folders want, and the message of the version.
type saving struct {
	FolderUID string `json:"folderUid"`
	Message   string `json:"message"`
}

type savingKey struct{}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if s, ok := r.Context().Value(savingKey{}).(saving); ok && r.Body != nil {
		var err error
		if r, err = withSaving(r, s); err != nil {
			return nil, err
		}
	}
	answer, err := t.base.RoundTrip(r)
	if err != nil || answer.StatusCode < 300 {
		return answer, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxErrorBody))
	if err != nil {
		return nil, err
	}
	return nil, &Error{Status: answer.StatusCode, Message: message(body, answer.Status)}
}

func withSaving(r *http.Request, s saving) (*http.Request, error) {
	defer r.Body.Close()
	var all map[string]json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&all); err != nil {
		return nil, err
	}
	// The SDK writes these two with capitals, which Grafana's own JSON reader
	// forgives.
	all["folderUid"], _ = json.Marshal(s.FolderUID)
	all["message"], _ = json.Marshal(s.Message)
	delete(all, "FolderID")
	if v, ok := all["Overwrite"]; ok {
		all["overwrite"] = v
		delete(all, "Overwrite")
	}
	text, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	out := r.Clone(r.Context())
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
	return out, nil
}

// message finds what Grafana has to say in the body, which a proxy in front of
// it may have written.
func message(body []byte, otherwise string) string {
	var said struct{ Message, Error string }
	if json.Unmarshal(body, &said) == nil && said.Message+said.Error != "" {
		if said.Message == "" {
			return said.Error
		}
		return said.Message
	}
	if line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n"); line != "" && len(line) < 200 {
		return line
	}
	return otherwise
}

func with(ctx context.Context, s saving) context.Context {
	return context.WithValue(ctx, savingKey{}, s)
}
