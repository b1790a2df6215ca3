package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/lubberline/lubberline/config"
)

// probeTimeout is how long a server of this machine may take to answer.
const probeTimeout = 5 * time.Second

// Probe asks the server that this machine runs with these options whether it is
// well: a GET of path, which must be answered with 200. The server must show the
// very certificate that is configured.
func Probe(ctx context.Context, o Options, path string) error {
	if o.Address == "" {
		return errors.New("nothing listens: no address is configured")
	}
	client, url, err := probeClient(o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+path, nil)
	if err != nil {
		return err
	}
	if o.TokenFile != "" {
		token, err := config.Secret(o.TokenFile)
		if err != nil {
			return fmt.Errorf("token_file: %w", err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 200)) // for people to read
		return fmt.Errorf("%s%s: %s: %s", url, path, res.Status, strings.TrimSpace(string(text)))
	}
	return nil
}

// probeClient is how to reach the server, and its URL.
func probeClient(o Options) (*http.Client, string, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Transport: transport}
	scheme, host := "http", "localhost"
	if path, ok := strings.CutPrefix(o.Address, "unix://"); ok {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}
	} else {
		var err error
		if host, err = reachable(o.Address); err != nil {
			return nil, "", err
		}
	}
	if o.CertFile != "" {
		scheme = "https"
		var err error
		if transport.TLSClientConfig, err = exactly(o.CertFile, o.KeyFile); err != nil {
			return nil, "", err
		}
	}
	return client, scheme + "://" + host, nil
}

// reachable is an address that a listener on all addresses answers at.
func reachable(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("address %q: %w", address, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// exactly trusts one certificate, whatever names it is for.
func exactly(certFile, keyFile string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("load certificate %s: %w", certFile, err)
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // what follows is stricter
		VerifyConnection: func(s tls.ConnectionState) error {
			if !s.PeerCertificates[0].Equal(pair.Leaf) {
				return fmt.Errorf("the server shows another certificate than %s", certFile)
			}
			return nil
		},
	}, nil
}
