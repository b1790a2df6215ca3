package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// userAgent is what servers know probes by.
const userAgent = "kube-probe/1.37"

// dialer resets its connections when they are closed, so that probes do not
// leave ports waiting.
func dialer() *net.Dialer {
	return &net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			_ = unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 1})
		})
	}}
}

// newTransport trusts every certificate and asks no proxy: the peer is a
// container of this node.
func newTransport() *http.Transport {
	return &http.Transport{
		TLSClientConfig:    &tls.Config{InsecureSkipVerify: true},
		DisableKeepAlives:  true,
		DisableCompression: true,
		DialContext:        dialer().DialContext,
	}
}

func (p *Prober) checkHTTP(ctx context.Context, t target, action *corev1.HTTPGetAction, timeout time.Duration) (result, error) {
	req, err := request(ctx, t, action)
	if err != nil {
		return result{}, err
	}
	client := http.Client{Timeout: timeout, Transport: p.http, CheckRedirect: sameHost}
	res, err := client.Do(req)
	if err != nil {
		return failure("%v", err), nil
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxOutput))
	switch {
	case err != nil:
		return result{}, err
	case res.StatusCode < 200 || res.StatusCode >= 400:
		return failure("HTTP probe failed with statuscode: %d", res.StatusCode), nil
	case res.StatusCode >= 300:
		return result{ok: true, warning: true, output: "Probe terminated redirects, Response body: " + string(body)}, nil
	}
	return result{ok: true, output: string(body)}, nil
}

// sameHost follows redirects that stay on the host.
func sameHost(req *http.Request, via []*http.Request) error {
	if req.URL.Hostname() != via[0].URL.Hostname() {
		return http.ErrUseLastResponse
	}
	if len(via) >= 10 {
		return errors.New("stopped after 10 redirects")
	}
	return nil
}

func request(ctx context.Context, t target, action *corev1.HTTPGetAction) (*http.Request, error) {
	port, err := resolvePort(action.Port, t.container)
	if err != nil {
		return nil, err
	}
	host := action.Host
	if host == "" {
		host = t.ip
	}
	scheme := strings.ToLower(string(action.Scheme))
	if scheme == "" {
		scheme = "http"
	}
	u, err := url.Parse(action.Path)
	if err != nil {
		u = &url.URL{Path: action.Path}
	}
	u.Scheme, u.Host = scheme, net.JoinHostPort(host, strconv.Itoa(port))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	setHeaders(req, action.HTTPHeaders)
	return req, nil
}

func setHeaders(req *http.Request, headers []corev1.HTTPHeader) {
	for _, h := range headers {
		req.Header.Add(h.Name, h.Value)
	}
	if _, ok := req.Header["User-Agent"]; !ok {
		req.Header.Set("User-Agent", userAgent)
	}
	if _, ok := req.Header["Accept"]; !ok {
		req.Header.Set("Accept", "*/*")
	} else if req.Header.Get("Accept") == "" {
		req.Header.Del("Accept")
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
}
