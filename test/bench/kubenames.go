package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// namesTime is how long each question is asked, from namesClients sockets.
	namesTime    = 2 * time.Second
	namesClients = 16
	// responderVariable makes this program the floor of questions for names: a
	// process of its own, as the one that is measured.
	responderVariable = "LUBBERLINE_BENCH_RESPONDER"
	responderAddress  = "10.198.200.200"
)

// questions is what became of one question, asked again and again.
type questions struct {
	what string
	rate float64 // answers per second
	p99  float64 // us
	cpu  float64 // us a question, of the program that answers
}

// names asks the DNS server of pods, and then the floor.
func (k *kube) names(ctx context.Context) (all []questions, floor questions, err error) {
	const own = bridgeAddress + ":53"
	for _, q := range []struct {
		what, name string
		qtype      uint16
	}{
		{"a cluster IP", "s-00007." + loadNamespace + ".svc.cluster.local.", dns.TypeA},
		{"a name that is not there", "www.example.com." + loadNamespace + ".svc.cluster.local.", dns.TypeA},
	} {
		found, err := k.process.asked(ctx, own, q.name, q.qtype)
		if err != nil {
			return nil, floor, fmt.Errorf("%s: %w", q.name, err)
		}
		found.what = q.what
		all = append(all, found)
	}
	responder, address, err := startResponder(ctx, k.dir)
	if err != nil {
		return nil, floor, err
	}
	defer responder.stop()
	floor, err = responder.asked(ctx, address, "s-00007.", dns.TypeA)
	return all, floor, err
}

// asked floods the DNS server that p has at an address.
func (p *process) asked(ctx context.Context, address, name string, qtype uint16) (q questions, err error) {
	wire, err := new(dns.Msg).SetQuestion(name, qtype).Pack()
	if err != nil {
		return q, err
	}
	var took [namesClients][]time.Duration
	u, err := p.watch(func() error {
		var errs [namesClients]error
		var wait sync.WaitGroup
		for i := range namesClients {
			wait.Go(func() { took[i], errs[i] = ask(ctx, address, wire) })
		}
		wait.Wait()
		return errors.Join(errs[:]...)
	})
	if err != nil {
		return q, err
	}
	all := slices.Concat(took[:]...)
	slices.Sort(all)
	return questions{
		rate: float64(len(all)) / u.wall.Seconds(), p99: float64(all[len(all)*99/100].Microseconds()),
		cpu: float64(u.cpu.Microseconds()) / float64(len(all)),
	}, nil
}

// ask repeats one question on one socket.
func ask(ctx context.Context, address string, wire []byte) (took []time.Duration, err error) {
	conn, err := net.Dial("udp4", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	buffer := make([]byte, dns.MaxMsgSize)
	for end := time.Now().Add(namesTime); time.Now().Before(end) && ctx.Err() == nil; {
		began := time.Now()
		_ = conn.SetDeadline(began.Add(answerBound)) // an open socket takes deadlines
		if _, err := conn.Write(wire); err != nil {
			return nil, err
		}
		if _, err := conn.Read(buffer); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
	return took, ctx.Err()
}

// startResponder runs this program as the floor.
func startResponder(ctx context.Context, dir string) (*process, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	l, err := net.ListenPacket("udp4", "127.0.0.1:0") // for a port that is free
	if err != nil {
		return nil, "", err
	}
	address := l.LocalAddr().String()
	if err := l.Close(); err != nil {
		return nil, "", err
	}
	p, err := start(dir, "/usr/bin/env", responderVariable+"="+address, self)
	if err != nil {
		return nil, "", err
	}
	question := new(dns.Msg).SetQuestion("ready.", dns.TypeA)
	for end := time.Now().Add(10 * time.Second); ; {
		if _, err = dns.ExchangeContext(ctx, question, address); err == nil {
			return p, address, nil
		}
		if err := errors.Join(p.alive(), sleep(ctx, 5*time.Millisecond)); err != nil || time.Now().After(end) {
			p.stop()
			return nil, "", fmt.Errorf("the responder does not answer: %w", errors.Join(err, p.alive()))
		}
	}
}

// respond is the least that a DNS server does with the same library: the same
// answer to whatever it is asked.
func respond(ctx context.Context, address string) error {
	record, err := dns.NewRR("s. 5 IN A 192.0.2.1")
	if err != nil {
		return err
	}
	server := &dns.Server{Addr: address, Net: "udp", Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		answer := new(dns.Msg).SetReply(q)
		answer.Answer = append(answer.Answer, record)
		_ = w.WriteMsg(answer) // who asked may be gone
	})}
	stop := context.AfterFunc(ctx, func() { _ = server.Shutdown() })
	defer stop()
	return server.ListenAndServe()
}

func reportNames(r *report, all []questions, floor questions) {
	const peer = "the same library, one fixed answer"
	for _, q := range all {
		r.add(line{what: fmt.Sprintf("DNS, %s of %d services, %d sockets: answers", q.what, many, namesClients), ours: q.rate, unit: "/s", other: floor.rate, peer: peer})
		r.add(line{what: "  p99", ours: q.p99, unit: "us", other: floor.p99, peer: peer})
		r.add(line{what: "  CPU of the whole program per question", ours: q.cpu, unit: "us", other: floor.cpu, peer: peer})
	}
}
