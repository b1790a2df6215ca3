package join

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/utils/clock"

	"github.com/lubberline/lubberline/orchestrator/pki"
)

// The files of an identity. A key and its certificate are one file, so that no
// reader finds them apart.
const (
	fileAuthority = "ca.crt"
	fileClient    = "client.pem"
	fileServer    = "server.pem"
	fileFacts     = "cluster.json"
	fileServers   = "servers.json"
)

// lookEvery is how often it is asked whether a certificate is to be renewed.
const lookEvery = time.Minute

// Options is what an identity is made of.
type Options struct {
	// Dir holds it, mode 0700.
	Dir    string
	Clock  clock.WithTicker // nil is the system's
	Logger *slog.Logger
}

// Facts is what a node knows of itself and its cluster.
type Facts struct {
	// Server is the control host's URL.
	Server  string     `json:"server"`
	Node    string     `json:"node"`
	Address netip.Addr `json:"address"`
	Cluster Cluster    `json:"cluster"`
}

// Identity is a node's name and certificates. It is safe for concurrent use.
type Identity struct {
	Facts
	o         Options
	authority []byte
	servers   *servers
	clocks    *clockWatch
	// issue gives certificates: a control host, or on one the authority itself.
	issue func(context.Context, Request) (*Answer, error)

	mu             sync.RWMutex
	client, server *tls.Certificate
}

func newIdentity(o Options, f Facts) *Identity {
	i := &Identity{Facts: f, o: o, clocks: &clockWatch{clock: o.Clock, log: o.Logger}}
	i.issue = i.request
	return i
}

// ErrNone says that the machine has not joined a cluster yet, or that its
// certificate has ended.
var ErrNone = errors.New("this machine is in no cluster")

// Open reads the identity of a machine that has joined.
func Open(o Options) (*Identity, error) {
	o.complete()
	i := newIdentity(o, Facts{})
	facts, err := os.ReadFile(i.path(fileFacts))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	if err == nil {
		err = json.Unmarshal(facts, &i.Facts)
	}
	if err != nil {
		return nil, fmt.Errorf("node's identity: %w", err)
	}
	if i.authority, err = os.ReadFile(i.path(fileAuthority)); err != nil {
		return nil, fmt.Errorf("node's identity: %w", err)
	}
	if err := i.load(); err != nil {
		return nil, fmt.Errorf("node's identity: %w", err)
	}
	if end := i.client.Leaf.NotAfter; o.Clock.Now().After(end) {
		return nil, fmt.Errorf("%w: the certificate of node %s has ended at %s", ErrNone, i.Node, end.Format(time.RFC3339))
	}
	return i, i.knowServers()
}

func (o *Options) complete() {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Join makes an identity: it asks the server for certificates of the name.
// address may be empty: it is then the one by which the server is reached.
func Join(ctx context.Context, o Options, server string, token Token, name, address string) (*Identity, error) {
	o.complete()
	u, err := CheckURL(server)
	if err != nil {
		return nil, err
	}
	if token.Hash == "" {
		return nil, errors.New("without the hash of the cluster's authority the control host cannot be verified: " +
			"use the whole token, as `lubberline token create` prints it, or --ca-hash")
	}
	i := newIdentity(o, Facts{Server: u.String(), Node: name})
	if i.authority, err = fetchCA(ctx, i.Server, token.Hash); err != nil {
		return nil, fmt.Errorf("join %s: %w", server, err)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("node's identity: %w", err)
	}
	if err := i.obtain(ctx, token.Bearer(), address); err != nil {
		return nil, fmt.Errorf("join %s: %w", server, err)
	}
	if err := os.Remove(i.path(fileServers)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("node's identity: %w", err) // of an earlier cluster
	}
	return i, i.knowServers()
}

// knowServers begins with the control hosts of the last run.
func (i *Identity) knowServers() (err error) {
	u, err := CheckURL(i.Server)
	if err != nil {
		return err
	}
	if i.servers, err = openServers(i.path(fileServers), u.Hostname(), i.o.Logger); err == nil {
		i.servers.probe = prober(u.Port(), i.CAs())
	}
	return err
}

// SetServers tells which control hosts there are. The list is kept.
func (i *Identity) SetServers(all []netip.Addr) error { return i.servers.set(all) }

func (i *Identity) path(name string) string { return filepath.Join(i.o.Dir, name) }

// obtain gets new certificates for new keys and keeps them. The facts are
// written last: before them there is no identity.
func (i *Identity) obtain(ctx context.Context, token, address string) error {
	clientKey, clientRequest, err := newKey(i.Node)
	if err != nil {
		return err
	}
	serverKey, serverRequest, err := newKey(i.Node)
	if err != nil {
		return err
	}
	answer, err := i.issue(ctx, Request{
		Token: token, Node: i.Node, Client: clientRequest, Server: serverRequest, Address: address,
	})
	if err != nil {
		return err
	}
	next := Facts{Server: i.Server, Node: i.Node, Address: answer.Address, Cluster: answer.Cluster}
	facts, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return err
	}
	for _, file := range []struct {
		name string
		data []byte
	}{
		{fileAuthority, i.authority}, {fileClient, append(clientKey, answer.Client...)},
		{fileServer, append(serverKey, answer.Server...)}, {fileFacts, append(facts, '\n')},
	} {
		if err := pki.WriteFile(i.path(file.name), file.data, 0o600); err != nil {
			return fmt.Errorf("keep the node's identity: %w", err)
		}
	}
	if token != "" {
		i.Facts = next // later ones hold from the next start
	}
	return i.load()
}

// newKey makes a private key, and a request for a certificate of it.
func newKey(name string) (keyPEM []byte, requestPEM string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", err
	}
	if keyPEM, err = keyutil.MarshalPrivateKeyToPEM(key); err != nil {
		return nil, "", err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: nodeUser + name}}, key)
	if err != nil {
		return nil, "", err
	}
	return keyPEM, string(pem.EncodeToMemory(&pem.Block{Type: cert.CertificateRequestBlockType, Bytes: der})), nil
}

// load reads both certificates from their files.
func (i *Identity) load() error {
	var both [2]*tls.Certificate
	for n, file := range []string{fileClient, fileServer} {
		pair, err := tls.LoadX509KeyPair(i.path(file), i.path(file))
		if err != nil {
			return err
		}
		both[n] = &pair
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.client, i.server = both[0], both[1]
	return nil
}

// current is the client's certificate, nil before there is one.
func (i *Identity) current() *tls.Certificate {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return i.client
}

// Ends are the node's two certificates and when each ends.
func (i *Identity) Ends() iter.Seq2[string, time.Time] {
	return func(yield func(string, time.Time) bool) {
		i.mu.RLock()
		defer i.mu.RUnlock()
		_ = yield("node-client", i.client.Leaf.NotAfter) && yield("node-server", i.server.Leaf.NotAfter)
	}
}

// Certificate is what the node's server shows, for tls.Config's GetCertificate.
func (i *Identity) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return i.server, nil
}

// CAs verify clients and servers of the cluster.
func (i *Identity) CAs() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(i.authority)
	return pool
}

// CAFile and ClientFile are the files for other parts of the program: the
// authority, and the client's key and certificate, which are read anew for each
// connection.
func (i *Identity) CAFile() string { return i.path(fileAuthority) }

// ClientFile is described at CAFile.
func (i *Identity) ClientFile() string { return i.path(fileClient) }

// ClientConfig is for clients of the API that act as the node. Its connections
// are made anew when the certificate is.
func (i *Identity) ClientConfig() *rest.Config {
	c := &rest.Config{
		Host: i.Server, Dial: i.servers.dial, QPS: -1, UserAgent: nodeUser + i.Node, WarningHandler: rest.NoWarnings{},
		TLSClientConfig: rest.TLSClientConfig{ServerName: serverName, CAFile: i.CAFile(), CertFile: i.ClientFile(), KeyFile: i.ClientFile()},
		ContentConfig: rest.ContentConfig{
			ContentType: "application/vnd.kubernetes.protobuf", AcceptContentTypes: "application/vnd.kubernetes.protobuf,application/json",
		},
	}
	c.Wrap(i.clocks.wrap)
	return c
}

// Run looks after the control hosts, and renews the certificates when a third of
// their life is left, until ctx ends. What fails is tried again with the next
// look.
func (i *Identity) Run(ctx context.Context) error {
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { i.servers.run(ctx) })
	ticks := i.o.Clock.NewTicker(lookEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C():
		}
		if !i.due() {
			continue
		}
		if err := i.obtain(ctx, "", i.Address.String()); err != nil && ctx.Err() == nil {
			i.o.Logger.Error("the node's certificates are not renewed", "ends", i.current().Leaf.NotAfter, "error", err)
			continue
		}
		i.o.Logger.Info("the node's certificates are renewed", "ends", i.current().Leaf.NotAfter)
	}
}

func (i *Identity) due() bool {
	i.mu.RLock()
	defer i.mu.RUnlock()
	now := i.o.Clock.Now()
	return pki.Due(i.client.Leaf, now) || pki.Due(i.server.Leaf, now)
}
