package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/golang/snappy"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/tinylib/msgp/msgp"

	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/forward"
)

// ingestRun is what an aggregator took, and what it cost.
type ingestRun struct {
	use
	items int
}

func (r ingestRun) micros() float64 { return float64(r.cpu.Microseconds()) / float64(r.items) }

func (r ingestRun) rate() float64 { return float64(r.items) / r.wall.Seconds() }

// ingest feeds a real aggregator from outside: samples by remote write, as ten
// collectors send them, and records by forward with acks.
func ingest(ctx context.Context, s *settings) error {
	s.report.title = fmt.Sprintf("Ingest into a real aggregator: %d samples of 10 nodes with 50 containers, %d log records; median of %d runs", s.samples, s.records, s.repeat)
	var samples, records []ingestRun
	for range s.repeat {
		for _, one := range []struct {
			send func(context.Context, *settings, *programs) (int, error)
			runs *[]ingestRun
		}{{sendSamples, &samples}, {sendRecords, &records}} {
			r, err := ingestOnce(ctx, s, one.send)
			if err != nil {
				return err
			}
			*one.runs = append(*one.runs, r)
		}
	}
	r := s.report
	r.add(line{what: "remote write 2.0: samples", unit: "/s", ours: median(samples, ingestRun.rate)})
	r.add(line{what: "  aggregator CPU per sample, rollup included", unit: "us", ours: median(samples, ingestRun.micros)})
	r.add(line{what: "  aggregator highest RSS", unit: "MiB", ours: median(samples, func(r ingestRun) float64 { return r.peak })})
	r.add(line{what: "forward with acks: records committed", unit: "/s", ours: median(records, ingestRun.rate)})
	r.add(line{what: "  aggregator CPU per record", unit: "us", goal: 8, atMost: true, ours: median(records, ingestRun.micros)})
	r.add(line{what: "  aggregator highest RSS", unit: "MiB", ours: median(records, func(r ingestRun) float64 { return r.peak })})
	return nil
}

func ingestOnce(ctx context.Context, s *settings, send func(context.Context, *settings, *programs) (int, error)) (r ingestRun, err error) {
	dir, clean, err := s.sub("ingest")
	if err != nil {
		return r, err
	}
	defer clean()
	p, err := startAggregator(ctx, s, dir)
	if err != nil {
		return r, err
	}
	defer p.stop()
	r.use, err = p.aggregator.watch(func() (err error) { r.items, err = send(ctx, s, p); return err })
	return r, err
}

const (
	ingestNodes      = 10
	ingestContainers = 50 // a node
)

// sendSamples posts tick after tick, five seconds apart and ending now, one
// request a node.
func sendSamples(ctx context.Context, s *settings, p *programs) (sent int, err error) {
	var nodes []*writev2.Request
	each := 0
	for i := range ingestNodes {
		nodes = append(nodes, nodeRequest(i))
		each += len(nodes[i].Timeseries)
	}
	ticks := max(s.samples/each, 2)
	begin := time.Now().Add(-time.Duration(ticks) * 5 * time.Second).Truncate(5 * time.Second)
	var raw, body []byte
	for tick := range ticks {
		at := begin.Add(time.Duration(tick) * 5 * time.Second).UnixMilli()
		for _, node := range nodes {
			for i := range node.Timeseries {
				node.Timeseries[i].Samples[0] = writev2.Sample{Timestamp: at, Value: float64(tick*(i%89) + i)}
			}
			raw, err = node.OptimizedMarshal(raw[:0])
			if err != nil {
				return sent, err
			}
			body = snappy.Encode(body[:cap(body)], raw)
			if err := post(ctx, p.http, body); err != nil {
				return sent, err
			}
			sent += len(node.Timeseries)
		}
	}
	return sent, nil
}

// nodeRequest has all series of one node's containers.
func nodeRequest(node int) *writev2.Request {
	table := writev2.NewSymbolTable()
	req := &writev2.Request{}
	host := fmt.Sprintf("node-%02d", node)
	for c := range ingestContainers {
		id := fmt.Sprintf("/docker/%064x", node*1000+c)
		for _, m := range catalog.Metrics() {
			if !strings.HasPrefix(m.Name, "container_") || len(m.Labels) > 1 {
				continue
			}
			pairs := []string{"__name__", m.Name, "container", fmt.Sprintf("web-%d", c)}
			if len(m.Labels) == 1 && m.Labels[0] < "id" {
				pairs = append(pairs, m.Labels[0], "vda")
			}
			pairs = append(pairs, "id", id, "image", "registry.local/shop/web:1.27", "instance", host)
			if len(m.Labels) == 1 && m.Labels[0] > "id" {
				pairs = append(pairs, m.Labels[0], "eth0")
			}
			pairs = append(pairs, "job", "collector", "name", fmt.Sprintf("web-%d", c), "namespace", "shop", "node", host, "pod", fmt.Sprintf("web-%d", c))
			req.Timeseries = append(req.Timeseries, writev2.TimeSeries{LabelsRefs: refs(&table, pairs), Samples: make([]writev2.Sample, 1)})
		}
	}
	req.Symbols = table.Symbols()
	return req
}

func refs(table *writev2.SymbolsTable, pairs []string) (all []uint32) {
	for _, text := range pairs {
		all = append(all, table.Symbolize(text))
	}
	return all
}

func post(ctx context.Context, address string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/api/v1/write", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("X-Prometheus-Remote-Write-Version", "2.0.0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("remote write: %s: %.200s", resp.Status, text)
	}
	return err
}

const (
	chunkRecords = 5000
	inFlight     = 8 // chunks that are not acknowledged yet
)

// sendRecords sends chunks of records and waits until all are acknowledged,
// which an aggregator does when they are committed.
func sendRecords(ctx context.Context, s *settings, p *programs) (sent int, err error) {
	client, err := forward.Dial(ctx, forward.ClientOptions{Address: p.receive})
	if err != nil {
		return 0, err
	}
	defer client.Close()
	chunks := max(s.records/chunkRecords, 1)
	room, failed := make(chan struct{}, inFlight), make(chan error, 1)
	go func() {
		for range chunks {
			if _, err := client.ReadAck(time.Minute); err != nil {
				failed <- err
				return
			}
			<-room
		}
		failed <- nil
	}()
	began := time.Now().Add(-time.Minute)
	for n := range chunks {
		select {
		case room <- struct{}{}:
		case err := <-failed:
			return sent, err
		case <-ctx.Done():
			return sent, ctx.Err()
		}
		if err := client.Send(recordChunk(n, began)); err != nil {
			return sent, err
		}
		sent += chunkRecords
	}
	return sent, <-failed
}

// recordChunk is a PackedForward frame.
func recordChunk(n int, began time.Time) []byte {
	var entries, text []byte
	for i := range chunkRecords {
		number := n*chunkRecords + i
		at := began.Add(time.Duration(number) * time.Microsecond)
		text = appendLine(text[:0], at, number)
		entries = append(entries, 0x92)
		entries = forward.AppendEventTime(entries, at.UnixNano())
		entries = msgp.AppendMapHeader(entries, 2)
		entries = msgp.AppendStringFromBytes(msgp.AppendString(entries, "stream"), text[31:37])
		entries = msgp.AppendStringFromBytes(msgp.AppendString(entries, "log"), text[40:len(text)-1])
	}
	frame := forward.AppendPackedHeader(nil, "bench", len(entries))
	return forward.AppendOptions(append(frame, entries...), forward.FrameOptions{Chunk: fmt.Sprintf("bench-%d", n), Size: chunkRecords})
}
