package join

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lubberline/lubberline/orchestrator/pki"
)

const (
	// callTime bounds one conversation with the server.
	callTime = 20 * time.Second
	// maxAnswer bounds an answer, in bytes.
	maxAnswer = 1 << 20
)

// CheckURL reads the address of a control host, as "https://HOST:6443".
func CheckURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("control host: %w", err)
	}
	if u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("control host %q: want https://HOST:PORT", text)
	}
	u.Path = ""
	return u, nil
}

// fetchCA asks for the authority's certificate and verifies it by its hash.
// Nothing secret is sent. It looks at the server's clock, too.
func fetchCA(ctx context.Context, server, hash string) ([]byte, error) {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, //nolint:gosec // the hash verifies what comes
	}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server+PathCA, nil)
	if err != nil {
		return nil, err
	}
	answer, body, err := ask(&http.Client{Transport: transport, Timeout: callTime}, r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s is no Lubberline control host: %s", server, answer.Status)
	}
	found, err := pki.Hash(body)
	if err != nil {
		return nil, fmt.Errorf("%s is no Lubberline control host: %w", server, err)
	}
	if found != hash {
		return nil, fmt.Errorf("%s is not the control host that the token is of: its CA hash is %s, not %s", server, found, hash)
	}
	return body, checkClock(answer.Header.Get("Date"), time.Now())
}

// ask returns the answer and its body.
func ask(client *http.Client, r *http.Request) (*http.Response, []byte, error) {
	answer, err := client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	return answer, body, err
}

// request asks the server, verified by the authority, for certificates. The
// first time there is only the token, and later any control host will do.
func (i *Identity) request(ctx context.Context, wanted Request) (*Answer, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(i.authority) {
		return nil, errors.New("the cluster's authority is no certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	if certificate := i.current(); certificate != nil {
		transport.TLSClientConfig.Certificates = []tls.Certificate{*certificate}
	}
	if i.servers != nil {
		transport.DialContext, transport.TLSClientConfig.ServerName = i.servers.dial, serverName
	}
	server := i.Server
	defer transport.CloseIdleConnections()
	body, err := json.Marshal(wanted)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server+PathJoin, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	reply, body, err := ask(&http.Client{Transport: transport, Timeout: callTime}, r)
	if err != nil {
		return nil, err
	}
	if reply.StatusCode != http.StatusOK {
		return nil, Refused{Status: reply.StatusCode, Text: strings.TrimSpace(string(body))}
	}
	var answer Answer
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("answer of %s: %w", server, err)
	}
	return &answer, nil
}

// Refused is the server's no: asking again does not help.
type Refused struct {
	Status int
	Text   string
}

func (r Refused) Error() string { return "the control host refuses: " + r.Text }
