package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/pki"
)

const (
	// rangeTime is how long a node waits for its range before it goes on with
	// the one that it had, or gives up without one.
	rangeTime     = 5 * time.Second
	rangeTimeNew  = time.Minute
	rangePoll     = 20 * time.Millisecond
	rangeMaxPoll  = time.Second
	rangeCallTime = 5 * time.Second
)

func (m *Member) rangeFile() string { return filepath.Join(m.o.DataDir, "pods") }

// podRange is what the API says are the addresses of this node's pods. A node
// that had some before goes on with them while the API is away.
func (m *Member) podRange(ctx context.Context) (netip.Prefix, error) {
	known, err := m.knownRange()
	if err != nil {
		return known, err
	}
	patience := rangeTimeNew
	if known.IsValid() {
		patience = rangeTime
	}
	told, err := m.askRange(ctx, known, patience)
	if err != nil && ctx.Err() == nil && known.IsValid() {
		m.log.Warn("the API does not say which addresses the node's pods have; they keep those that they had", "range", known, "error", err)
		return known, nil
	}
	if err != nil {
		return told, err
	}
	if known.IsValid() && known != told {
		m.log.Warn("the node has got other addresses for its pods: those that run keep theirs and are not reached", "before", known, "now", told)
	}
	return told, pki.WriteFile(m.rangeFile(), []byte(told.String()+"\n"), 0o644)
}

func (m *Member) knownRange() (netip.Prefix, error) {
	text, err := os.ReadFile(m.rangeFile())
	if errors.Is(err, fs.ErrNotExist) {
		return netip.Prefix{}, nil
	}
	if err != nil {
		return netip.Prefix{}, err
	}
	known, err := netip.ParsePrefix(strings.TrimSpace(string(text)))
	if err != nil {
		return known, fmt.Errorf("%s: %w", m.rangeFile(), err)
	}
	return known, nil
}

// askRange registers the node if there is none, and waits for its range.
func (m *Member) askRange(ctx context.Context, known netip.Prefix, patience time.Duration) (netip.Prefix, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	last := errors.New("the node gets no range of pod addresses")
	for pause := rangePoll; ; pause = min(2*pause, rangeMaxPoll) {
		node, err := m.registered(ctx, known)
		switch {
		case err != nil:
			last = err
		case node.Spec.PodCIDR != "":
			return netip.ParsePrefix(node.Spec.PodCIDR)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return netip.Prefix{}, last
		}
	}
}

// registered is this machine's object; the agent fills it in later.
func (m *Member) registered(ctx context.Context, known netip.Prefix) (*corev1.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, rangeCallTime)
	defer cancel()
	nodes, name := m.client.CoreV1().Nodes(), m.o.Identity.Node
	node, err := nodes.Get(ctx, name, metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		return node, err
	}
	node = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}}}
	if known.IsValid() {
		node.Spec.PodCIDR, node.Spec.PodCIDRs = known.String(), []string{known.String()}
	}
	return nodes.Create(ctx, node, metav1.CreateOptions{})
}
