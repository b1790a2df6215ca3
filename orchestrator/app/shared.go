package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/lubberline/lubberline/orchestrator/controller/nodeipam"
	"github.com/lubberline/lubberline/orchestrator/pki"
	"github.com/lubberline/lubberline/orchestrator/store"
)

// The records of control hosts that share an etcd.
const (
	recordPKI     = "pki"
	recordNetwork = "network"
)

// sharedBound is how long the external etcd may take to answer at the start.
const sharedBound = time.Minute

// openShared opens the external etcd, and agrees with the other control hosts on
// it on the cluster's authority, its network and who has which pod addresses.
func (a *App) openShared(ctx context.Context) (err error) {
	e := a.cfg.Etcd
	if e == nil {
		return nil
	}
	secret, err := readSecret(e.SecretFile)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sharedBound)
	defer cancel()
	a.store, err = store.Open(ctx, store.Options{
		External: store.External{Endpoints: e.Endpoints, CertFile: e.CertFile, KeyFile: e.KeyFile, CAFile: e.CAFile},
		Logger:   a.logger("store"), Registerer: a.o.Registerer,
	})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			a.store.Close()
		}
	}()
	a.records = a.store.Records()
	o := pki.Options{Dir: filepath.Join(a.o.DataDir, "api", "pki"), Logger: a.logger("api")}
	if err := pki.Share(ctx, o, vault{a.records}, secret); err != nil {
		return err
	}
	if err := a.sameNetwork(ctx); err != nil {
		return err
	}
	a.cfg.Network.Node, err = a.ownRange(ctx)
	return err
}

// closeShared releases what openShared has opened, before a server does it.
func (a *App) closeShared() error {
	if a.store != nil {
		a.store.Close()
	}
	return nil
}

func readSecret(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("etcd.secret_file: %w", err)
	}
	if data = bytes.TrimSpace(data); len(data) < pki.MinSecret {
		return nil, fmt.Errorf("etcd.secret_file: %s has %d characters: want at least %d", path, len(data), pki.MinSecret)
	}
	return data, nil
}

// vault is where package pki keeps what control hosts have in common.
type vault struct{ records *store.Records }

func (v vault) Get(ctx context.Context) ([]byte, int64, error) {
	r, err := v.records.Get(ctx, recordPKI)
	return r.Value, r.Revision, err
}

func (v vault) Put(ctx context.Context, value []byte, revision int64) (bool, error) {
	return v.records.Put(ctx, recordPKI, value, revision)
}

// common is what must be the same on all control hosts.
type common struct {
	Pods     netip.Prefix `json:"pods"`
	Services netip.Prefix `json:"services"`
	Domain   string       `json:"domain"`
}

// sameNetwork says when this control host is configured otherwise than the
// first one was.
func (a *App) sameNetwork(ctx context.Context) error {
	n := a.cfg.Network
	ours := common{Pods: n.Pods.Masked(), Services: n.Services.Masked(), Domain: n.Domain}
	value, err := json.Marshal(ours)
	if err != nil {
		return err
	}
	if _, err := a.records.Put(ctx, recordNetwork, value, 0); err != nil {
		return err
	}
	kept, err := a.records.Get(ctx, recordNetwork)
	if err != nil {
		return err
	}
	var theirs common
	if err := json.Unmarshal(kept.Value, &theirs); err != nil {
		return fmt.Errorf("the cluster's network in the store: %w", err)
	}
	for _, key := range []struct{ name, ours, theirs string }{
		{"pods", ours.Pods.String(), theirs.Pods.String()}, {"services", ours.Services.String(), theirs.Services.String()}, {"domain", ours.Domain, theirs.Domain},
	} {
		if key.ours != key.theirs {
			return fmt.Errorf("network.%s: %s: the cluster in the store has %s", key.name, key.ours, key.theirs)
		}
	}
	return nil
}

// ownRange is the part of the pods' addresses that this control host has: the
// one that it had before, that of the configuration if it is free, or the first
// that is.
func (a *App) ownRange(ctx context.Context) (netip.Prefix, error) {
	n, ranges := a.cfg.Network, podRanges{a.records}
	owners, err := ranges.Owners(ctx)
	if err != nil {
		return netip.Prefix{}, err
	}
	for prefix, owner := range owners {
		if owner == a.o.Node && n.Pods.Contains(prefix.Addr()) {
			return prefix, nil
		}
	}
	wanted := []netip.Prefix{n.Node.Masked()}
	for prefix := range nodeipam.Ranges(n.Pods, n.Node.Bits()) {
		wanted = append(wanted, prefix)
	}
	for _, prefix := range wanted {
		if _, taken := owners[prefix]; taken {
			continue
		}
		if owner, err := ranges.Claim(ctx, prefix, a.o.Node); err != nil || owner == a.o.Node {
			return prefix, err
		}
	}
	return netip.Prefix{}, fmt.Errorf("network.pods: no range of /%d is left in %s for node %s", n.Node.Bits(), n.Pods, a.o.Node)
}
