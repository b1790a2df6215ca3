package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The bounds on waiting. They are generous: what is asserted is that a thing
// happens, on machines that are shared and slow at times.
const (
	waitLong = 90 * time.Second
	poll     = 50 * time.Millisecond
)

// freeAddress is a loopback address nobody listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// api asks one HTTP server.
type api struct {
	t    *testing.T
	base string
}

func (a api) get(path string) (int, []byte, error) {
	client := http.Client{Timeout: 30 * time.Second}
	resp, err := client.Get(a.base + path)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// json decodes a 200 answer; an error says what else came.
func (a api) json(path string, into any) error {
	status, body, err := a.get(path)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("GET %s: %d: %.300s", path, status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("GET %s: %w in %.300s", path, err, body)
	}
	return nil
}

// eventually asks until the check is satisfied, and shows the last complaint
// when it never is.
func (a api) eventually(what string, check func() error) {
	a.t.Helper()
	var last error
	deadline := time.Now().Add(waitLong)
	for time.Now().Before(deadline) {
		if last = check(); last == nil {
			return
		}
		time.Sleep(poll)
	}
	require.NoError(a.t, last, what)
}

func (a api) ready(p *program) {
	a.t.Helper()
	a.eventually("the program is ready", func() error {
		p.alive()
		status, body, err := a.get("/-/ready")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("/-/ready: %d %s", status, body)
		}
		return err
	})
}
