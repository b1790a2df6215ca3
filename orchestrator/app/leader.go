package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// leaseName is the Lease in kube-system of the control host whose scheduler and
// controllers work.
const leaseName = "lubberline-leader"

// A leader that vanishes is followed within leaseTime and a retry; one that
// cannot renew stops renewDeadline after its last success, well before that.
const (
	leaseTime     = 10 * time.Second
	renewDeadline = 6 * time.Second
	retryPeriod   = 2 * time.Second
)

// leading makes the scheduler and the controllers for one term.
func (a *App) leading() (*term, error) {
	t := newTerm(a.server.Informers(), a.o.Registerer)
	for _, build := range []func(*term) error{a.buildScheduler, a.buildControllers, a.buildNodeRanges} {
		if err := build(t); err != nil {
			return nil, errors.Join(err, t.end())
		}
	}
	return t, nil
}

// runTerm runs the loops of a term until ctx ends and they have all ended.
func (a *App) runTerm(ctx context.Context, t *term) {
	a.server.StartInformers() // those that only leaders ask for
	a.metrics.leading.Set(1)
	a.metrics.terms.Inc()
	var loops sync.WaitGroup
	for _, p := range t.parts {
		loops.Go(func() { a.keep(ctx, p) })
	}
	<-ctx.Done()
	loops.Wait()
	a.metrics.leading.Set(0)
	if err := t.end(); err != nil {
		a.log.Error("the loops of a leader have left something", "error", err)
	}
}

// lead runs the scheduler and the controllers whenever this control host is the
// leader. Alone it always is.
func (a *App) lead(ctx context.Context) error {
	if a.records == nil {
		a.runTerm(ctx, a.first)
		return nil
	}
	for ctx.Err() == nil {
		if err := a.campaign(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryPeriod):
		}
	}
	return nil
}

// campaign returns when a term has ended, or ctx. The lease is given up only
// when the loops have ended: two leaders are never at work.
func (a *App) campaign(ctx context.Context) error {
	candidacy, withdraw := context.WithCancel(context.WithoutCancel(ctx))
	defer withdraw()
	defer context.AfterFunc(ctx, func() { a.awaitTerm(); withdraw() })()
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Name: leaseName, Lock: a.lease(), ReleaseOnCancel: true,
		LeaseDuration: leaseTime, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(held context.Context) {
				defer withdraw()
				a.hold(ctx, held)
			},
			OnStoppedLeading: func() {},
			OnNewLeader:      func(name string) { a.log.Info("the leader of the control hosts is known", "leader", name) },
		},
	})
	if err != nil {
		return fmt.Errorf("election of a leader: %w", err)
	}
	elector.Run(candidacy)
	a.awaitTerm()
	return nil
}

// awaitTerm returns when no loops are at work. A term that begins later finds
// that its time is over.
func (a *App) awaitTerm() {
	a.leads.Lock()
	defer a.leads.Unlock()
}

// hold leads as long as the lease is held and ctx has not ended.
func (a *App) hold(ctx, held context.Context) {
	a.leads.Lock()
	defer a.leads.Unlock()
	working, cancel := context.WithCancel(held)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	if ctx.Err() != nil || held.Err() != nil {
		return
	}
	t, err := a.leading()
	if err != nil {
		a.log.Error("the scheduler and the controllers cannot be made", "error", err)
		return
	}
	a.log.Info("this control host leads: its scheduler and controllers work")
	a.runTerm(working, t)
	a.log.Info("this control host leads no more")
}

func (a *App) lease() resourcelock.Interface {
	return &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: leaseName},
		Client:     a.client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: a.o.Node},
	}
}
