package proxy

import (
	"context"
	"time"

	"github.com/lubberline/lubberline/orchestrator/netfilter"
)

// retryAfter is the time until a failed repair is tried again.
const retryAfter = time.Second

// repair compares the kernel's table with what is wanted and sets it right.
func (p *Proxy) repair(ctx context.Context, why string) bool {
	others := p.othersGeneration()
	bounded, cancel := context.WithTimeout(ctx, transactionBound)
	defer cancel()
	repaired, anew, err := p.rules.Repair(bounded, p.wanted)
	p.broken = err != nil
	if err != nil {
		p.metrics.transactions.WithLabelValues(resultError).Inc()
		if ctx.Err() == nil {
			p.log.Error("the kernel's table cannot be repaired", "why", why, "error", err)
		}
		p.retry(ctx)
		return false
	}
	clear(p.changes)
	p.others = others
	if repaired > 0 {
		p.metrics.transactions.WithLabelValues(resultOK).Inc()
	}
	p.tellRepaired(why, repaired, anew)
	return true
}

// tellRepaired: what differs at the start is no damage.
func (p *Proxy) tellRepaired(why string, repaired int, anew error) {
	select {
	case <-p.ready:
	default:
		return
	}
	p.metrics.repaired.Add(float64(repaired))
	if repaired > 0 {
		p.log.Warn("the kernel's table was repaired", "why", why, "items", repaired, "made_anew", anew)
	}
}

// retry has the repair tried again.
func (p *Proxy) retry(ctx context.Context) {
	timer := p.o.Clock.NewTimer(retryAfter)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C():
	}
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// repairUntilDone makes the table at the start.
func (p *Proxy) repairUntilDone(ctx context.Context) error {
	for !p.repair(ctx, "start") {
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	p.flows.settle()
	return nil
}

// othersGeneration is the kernel's generation of rules without our own
// transactions, nil where it is not known: it moves with every change, in
// whatever table, that somebody else makes.
func (p *Proxy) othersGeneration() *uint32 {
	generation, known := kernelGeneration(p.o.Table == nil)
	if !known {
		return nil
	}
	generation -= p.rules.Transactions()
	return &generation
}

// foreignChange says whether somebody else may have changed the kernel's rules
// since the last repair.
func (p *Proxy) foreignChange() bool {
	now := p.othersGeneration()
	return now == nil || p.others == nil || *now != *p.others
}

// isGone says whether somebody has deleted the whole table.
func (p *Proxy) isGone() bool {
	return p.o.Table == nil && !netfilter.HasTable(p.tableName())
}

func (p *Proxy) removeUnused(ctx context.Context) {
	if err := p.rules.RemoveUnused(ctx); err != nil {
		p.log.Warn("unused chains stay until they are removed later", "error", err)
	}
}
