package remotewrite

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lubberline/lubberline/config"
)

// version is a version of the protocol.
type version uint8

const (
	v2 version = 2
	v1 version = 1
)

var contentTypes = map[version][2]string{
	v2: {"application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"},
	v1: {"application/x-protobuf;proto=prometheus.WriteRequest", "0.1.0"},
}

// writtenHeader tells how many samples the receiver has taken. One that knows
// version 2.0 always sends it.
const writtenHeader = "X-Prometheus-Remote-Write-Samples-Written"

// client posts requests to one receiver.
type client struct {
	url       string
	http      *http.Client
	tokenFile string
}

// answer is what came back.
type answer struct {
	status     int
	text       string        // the beginning of the body
	retryAfter time.Duration // 0 when not said
	written    bool          // whether the receiver counted what it has taken
}

func newClient(o Options) (*client, error) {
	target, socket, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	transport := o.Transport
	if transport == nil {
		transport, err = newTransport(o, socket)
		if err != nil {
			return nil, err
		}
	}
	return &client{url: target, tokenFile: o.TokenFile, http: &http.Client{
		Transport: transport, Timeout: o.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// parseURL splits "unix:///run/x.sock?path=/api/v1/write" into the URL to ask
// for and the socket to ask at; socket is empty for http and https.
func parseURL(text string) (target, socket string, err error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", "", fmt.Errorf("remote write url: %w", err)
	}
	switch {
	case u.Scheme == "unix" && strings.HasPrefix(u.Path, "/"):
		path := u.Query().Get("path")
		if path == "" {
			path = "/api/v1/write"
		}
		return "http://localhost/" + strings.TrimPrefix(path, "/"), u.Path, nil
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		return text, "", nil
	}
	return "", "", fmt.Errorf("remote write url %q: want http://…, https://… or unix:///…", u.Redacted())
}

func newTransport(o Options, socket string) (*http.Transport, error) {
	transport := &http.Transport{
		MaxIdleConnsPerHost: 1, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
		DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, DisableCompression: true,
	}
	if socket == "" {
		transport.Proxy = http.ProxyFromEnvironment
		transport.ForceAttemptHTTP2 = true
	} else {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "unix", socket)
		}
	}
	if o.CAFile == "" && o.CertFile == "" {
		return transport, nil
	}
	roots, err := config.CertPool(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("remote write: %w", err)
	}
	show, err := config.ClientCertificate(o.CertFile, o.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("remote write: %w", err)
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, GetClientCertificate: show, MinVersion: tls.VersionTLS12}
	return transport, nil
}

// post sends one compressed request. An error means that no answer came.
func (c *client) post(ctx context.Context, v version, body []byte) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Content-Type", contentTypes[v][0])
	r.Header.Set("X-Prometheus-Remote-Write-Version", contentTypes[v][1])
	r.Header.Set("Content-Encoding", "snappy")
	r.Header.Set("User-Agent", "lubberline-collector")
	if err := c.authorize(r); err != nil {
		return answer{}, err
	}
	response, err := c.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer)) // only for people to read
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxDrain))
	return answer{
		status:     response.StatusCode,
		text:       strings.TrimSpace(string(text)),
		retryAfter: parseRetryAfter(response.Header.Get("Retry-After"), time.Now()),
		written:    response.Header.Get(writtenHeader) != "",
	}, nil
}

const (
	maxAnswer = 1 << 10  // bytes of an answer that are kept
	maxDrain  = 64 << 10 // bytes read so that the connection can be used again
)

// authorize adds the token. The file is read each time, as it may be replaced.
func (c *client) authorize(r *http.Request) error {
	if c.tokenFile == "" {
		return nil
	}
	token, err := config.Secret(c.tokenFile)
	if err != nil {
		return fmt.Errorf("remote write token: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return nil
}

// parseRetryAfter reads a number of seconds or a date; 0 for neither. It is
// never longer than an hour.
func parseRetryAfter(text string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if date, err := http.ParseTime(text); err == nil {
		wait = date.Sub(now)
	}
	return min(max(wait, 0), time.Hour)
}
