package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/lubberline/lubberline/orchestrator/controller/nodeipam"
	"github.com/lubberline/lubberline/orchestrator/join"
	"github.com/lubberline/lubberline/orchestrator/pki"
	"github.com/lubberline/lubberline/orchestrator/podnet"
)

// tokenTime is how long the token that `up` prints lets machines in.
const tokenTime = 24 * time.Hour

// joinable is what machines are told that join.
func (a *App) joinable() *join.Cluster {
	c := &join.Cluster{
		Pods: a.cfg.Network.Pods, Services: a.cfg.Network.Services, Domain: a.cfg.Network.Domain,
		DNS: nth(a.cfg.Network.Services, dnsIndex), Metrics: a.o.ResourceMetrics != "",
	}
	if a.cfg.LogsPort != 0 {
		c.Logs = a.logsAddress()
	}
	return c
}

func (a *App) logsAddress() string {
	return net.JoinHostPort(a.address.String(), strconv.Itoa(a.cfg.LogsPort))
}

// buildNodeRanges makes what gives every node its addresses.
func (a *App) buildNodeRanges(t *term) error {
	n := a.cfg.Network
	o := nodeipam.Options{
		Client: a.client, Informers: t.informers, Events: a.events.of("node-ipam-controller", ""),
		Pods: n.Pods, Bits: n.Node.Bits(), Logger: a.logger("nodeipam"), Registerer: t.registerer,
	}
	if a.records != nil {
		o.Claims = podRanges{a.records}
	} else {
		o.Reserved = map[string]netip.Prefix{a.o.Node: n.Node}
	}
	ranges, err := nodeipam.New(o)
	t.add("node addresses", ranges)
	t.add("token cleaner", &join.Cleaner{Client: a.client, Logger: a.logger("tokens")})
	return err
}

// buildPodNetwork makes what leads to every node's addresses.
func (a *App) buildPodNetwork() error {
	n := a.cfg.Network
	o := podnet.Options{
		Informers: a.server.Informers(), Node: a.o.Node, Pods: n.Pods, Own: n.Node, Bridge: n.Bridge, Table: n.translation(),
		Logger: a.logger("podnet"), Registerer: a.o.Registerer,
	}
	if a.cfg.Address != "" {
		o.Address = a.address
	}
	routes, err := podnet.New(o)
	a.parts = append(a.parts, part{"pod network", routes})
	return err
}

// translation is the kernel's table of package podnet.
func (n *NetworkConfig) translation() string {
	if n.Bridge == DefaultConfig().Network.Bridge {
		return ""
	}
	return podnet.DefaultTable + "-" + n.Bridge
}

// ListenLogs is where joined machines ship their logs: whoever is let in has a
// node's certificate. Nil where no machine can join.
func (a *App) ListenLogs() (net.Listener, error) {
	if a.cfg.Address == "" || a.cfg.LogsPort == 0 {
		return nil, nil
	}
	shown, err := a.server.PKI().Pair(pki.Request{Name: "logs", User: "lubberline-logs", Hosts: []string{"kubernetes", a.address.String(), a.o.Node}})
	if err != nil {
		return nil, err
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(a.server.PKI().CA())
	l, err := net.Listen("tcp", a.logsAddress())
	if err != nil {
		return nil, fmt.Errorf("take the logs of other machines: %w", err)
	}
	return tls.NewListener(l, &tls.Config{
		GetCertificate: shown.Certificate, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert,
		VerifyConnection: verifyNode, MinVersion: tls.VersionTLS12,
	}), nil
}

// verifyNode lets nodes in; users of the API have certificates, too.
func verifyNode(c tls.ConnectionState) error {
	if len(c.PeerCertificates) == 0 || !slices.Contains(c.PeerCertificates[0].Subject.Organization, user.NodesGroup) {
		return errors.New("the certificate is not a node's")
	}
	return nil
}

// JoinCommand makes a token and returns the command by which other machines
// join; empty where none can. The API must be ready.
func (a *App) JoinCommand(ctx context.Context) (string, error) {
	if a.cfg.Address == "" {
		return "", nil
	}
	hash, err := pki.Hash(a.server.PKI().CA())
	if err != nil {
		return "", err
	}
	token, err := join.NewToken(hash)
	if err != nil {
		return "", err
	}
	secret := join.NewSecret(token, "printed by lubberline up", time.Now().Add(tokenTime))
	if _, err := a.client.CoreV1().Secrets(metav1.NamespaceSystem).Create(ctx, secret, metav1.CreateOptions{}); err != nil {
		return "", fmt.Errorf("token to join: %w", err)
	}
	_, port, err := net.SplitHostPort(a.server.URL()[len("https://"):])
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("lubberline join https://%s --token %s", net.JoinHostPort(a.address.String(), port), token), nil
}
