package logs

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"github.com/lubberline/lubberline/collector/chunk"
	"github.com/lubberline/lubberline/collector/logs/parse"
	"github.com/lubberline/lubberline/collector/reading"
	"github.com/lubberline/lubberline/logrecord"
)

func TestUnterminatedLineAtShutdown(t *testing.T) {
	r := newRig(t, nil).match("app.log").write("app.log", "whole\nhal").start().poll().pass(time.Hour).want("whole")
	r.restart(true).poll().pass(time.Hour).want("whole")
	r.write("app.log", "f and rest\n").poll().want("whole", "half and rest")
}

func TestUnterminatedLineOfRemovedSource(t *testing.T) {
	r := newRig(t, nil).follow("0.log", reading.CRI)
	r.write("0.log", cri("stdout", "P", "part ")+cri("stderr", "F", "whole")+strings.TrimSpace(cri("stdout", "F", "rest"))).start().poll()
	r.want("whole")
	r.tailer.Remove("0.log")
	r.poll().want("whole").pass(time.Minute).want("whole", "part rest").metric("sources", 0).metric("files_open", 0)
	r.restart(true).poll().pass(time.Minute).want("whole", "part rest")
}

func TestSourceComesBack(t *testing.T) {
	r := newRig(t, nil).follow("0.log", reading.CRI).write("0.log", cri("stdout", "F", "one")).start().poll()
	r.tailer.Remove("0.log")
	r.pass(time.Second)
	require.NoError(t, r.tailer.Add(r.sources[0]))
	r.pass(time.Minute).write("0.log", cri("stdout", "F", "two")).poll().want("one", "two").metric("sources", 1)
	r.tailer.Remove("0.log")
	r.pass(time.Minute).pass(time.Minute).metric("sources", 0)
	require.NoError(t, r.tailer.Add(r.sources[0]))
	r.poll().write("0.log", cri("stdout", "F", "three")).poll().want("one", "two", "three")
}

func TestPartsOfTwoStreams(t *testing.T) {
	lines := []string{
		cri("stdout", "P", "out 1 "), cri("stderr", "F", "err a"), cri("stderr", "P", "err b1 "), cri("stdout", "P", "out 2 "),
		"no CRI line\n", cri("stderr", "F", "err b2"), cri("stderr", "F", "err c"), cri("stdout", "F", "out 3"),
		cri("stderr", "P", "err d1 "), cri("stdout", "P", "out 4 "), cri("stderr", "F", "err d2"), cri("stdout", "F", "out 5"),
	}
	want := []string{"err a", "no CRI line", "err b1 err b2", "err c", "out 1 out 2 out 3", "err d1 err d2", "out 4 out 5"}
	// A kill after each line, and a rotation after each, alone and together.
	for _, kill := range []bool{false, true} {
		for rotate := -1; rotate < len(lines); rotate++ {
			r := newRig(t, nil).follow("0.log", reading.CRI).start()
			for i, line := range lines {
				r.write("0.log", line).poll()
				if i == rotate {
					r.rename("0.log", "0.log.20261124-101112").poll()
				}
				if kill {
					r.restart(i%2 == 0)
				}
			}
			r.poll().want(want...)
			require.Equal(t, record{1795515072123456789, "out 4 out 5", "stdout"}, r.records()[6])
			r.kill()
		}
	}
}

func TestDockerParts(t *testing.T) {
	message := `{"message":"Log text"` + strings.Repeat(`,"key":"value"`, 3000) + "}"
	r := newRig(t, nil).follow("x-json.log", reading.DockerJSON)
	for rest := message + "\n"; rest != ""; {
		n := min(len(rest), 16<<10)
		r.write("x-json.log", docker("stdout", rest[:n]))
		rest = rest[n:]
	}
	r.write("x-json.log", docker("stderr", "short\n")).start().poll().want(message, "short").metric("partials_joined_total", 3)
}

func TestWrappedJSON(t *testing.T) {
	r := newRig(t, nil).follow("x-json.log", reading.DockerJSON).write("x-json.log", docker("stdout", `{"message":"Hello world"}`+"\n"))
	r.start().poll().want(`{"message":"Hello world"}`)
}

func TestLongRecords(t *testing.T) {
	r := newRig(t, func(o *Options) { o.MaxRecord, o.BlockBytes = 4000, 2048 }).match("app.log").follow("0.log", reading.CRI)
	long := strings.Repeat("0123456789", 5000)
	r.write("app.log", "before\n"+long+"\nafter\n").write("0.log", cri("stdout", "F", "first"))
	for range 10 {
		r.write("0.log", cri("stdout", "P", strings.Repeat("p", 1500)))
	}
	r.write("0.log", cri("stdout", "F", "end")).start().poll()
	logs := r.logs()
	require.Contains(t, logs, "before")
	require.Contains(t, logs, "after")
	all := make(map[string]string)
	for _, rec := range r.records() {
		all[rec.stream] += rec.log
	}
	require.Equal(t, all[""], "before"+long+"after", "%d records", len(logs))
	require.Equal(t, all["stdout"], "first"+strings.Repeat("p", 15000)+"end", "%d records", len(logs))
	for _, l := range logs {
		require.LessOrEqual(t, len(l), 4000)
	}
	require.Positive(t, gathered(r, "split_records_total"))
	r.restart(true).poll()
	require.Len(t, r.logs(), len(logs))
}

func TestLongRecordIsContinuedAfterKill(t *testing.T) {
	r := newRig(t, func(o *Options) { o.MaxRecord = 1000 }).follow("0.log", reading.CRI).start()
	var want strings.Builder
	for n := range 40 {
		text := fmt.Sprintf("%02d%s", n, strings.Repeat("x", 200))
		want.WriteString(text)
		r.write("0.log", cri("stdout", "P", text)).poll().restart(false)
		if n%7 == 0 {
			r.write("0.log", cri("stderr", "P", "e")).poll()
		}
	}
	r.write("0.log", cri("stdout", "F", "end")+cri("stderr", "F", "end")).poll()
	var out, errs string
	for _, rec := range r.records() {
		if rec.stream == "stdout" {
			out += rec.log
		} else {
			errs += rec.log
		}
	}
	require.Equal(t, want.String()+"end", out)
	require.Equal(t, "eeeeeeend", errs)
}

func TestPartialMemoryIsBounded(t *testing.T) {
	r := newRig(t, func(o *Options) { o.MaxPartialBytes = 100 })
	for n := range 5 {
		name := fmt.Sprint(n, ".log")
		r.follow(name, reading.CRI).write(name, cri("stdout", "P", strings.Repeat("x", 50))+cri("stdout", "F", "end"))
	}
	r.start().poll()
	require.Len(t, strings.Join(r.logs(), ""), 5*53)
	require.Zero(t, r.tailer.partialBytes)
}

func TestPartialWaitsNotForEver(t *testing.T) {
	r := newRig(t, nil).follow("0.log", reading.CRI).write("0.log", cri("stdout", "P", "part")).start().pass(time.Minute)
	require.Empty(t, r.logs())
	r.pass(10 * time.Minute).want("part")
	r.restart(false).write("0.log", cri("stdout", "F", "rest")).poll().want("part", "rest")
}

func TestBadLinesAreKept(t *testing.T) {
	r := newRig(t, nil).follow("0.log", reading.CRI).follow("x-json.log", reading.DockerJSON)
	r.write("0.log", "panic: no CRI\n"+cri("stdout", "F", "ok")).write("x-json.log", `{"log":"cut`+"\n"+docker("stderr", "fine\n"))
	r.start().poll().wantAny("panic: no CRI", "ok", `{"log":"cut`, "fine").metric("parse_errors_total", 2)
	require.Empty(t, r.records()[0].stream)
	require.InDelta(t, r.now.UnixNano(), r.records()[0].time, 1e9)
}

func TestEmptyLines(t *testing.T) {
	newRig(t, nil).match("app.log").write("app.log", "a\n\nb\n").start().poll().want("a", "", "b")
}

func TestFromEnd(t *testing.T) {
	r := newRig(t, nil).match("*.log")
	r.options.Patterns[0].FromEnd = true
	r.write("a.log", "old\nhal").start().poll()
	require.Empty(t, r.logs())
	r.write("a.log", "f\n").write("b.log", "new file\n").poll().wantAny("half", "new file")
	r.restart(true).write("a.log", "more\n").poll().wantAny("half", "new file", "more")
}

func TestChunk(t *testing.T) {
	r := newRig(t, nil)
	r.sources = []Source{{ID: "a", Path: r.path("0.log"), Format: reading.CRI, Tag: "kubernetes.ns.pod.web", Meta: logrecord.Source{
		Namespace: "ns", Pod: "pod", PodUID: "uid", Container: "web", ContainerID: "abc", Image: "nginx", Host: "node1",
		Labels: map[string]string{"b": "2", "a": "1"}}}}
	r.write("0.log", cri("stdout", "F", "one")).start().poll()
	require.Len(t, r.spool.entries, 1)
	c, err := chunk.Decode(r.spool.entries[0])
	require.NoError(t, err)
	require.Equal(t, "kubernetes.ns.pod.web", c.Tag)
	require.Empty(t, c.ID)
	var json strings.Builder
	_, err = msgp.UnmarshalAsJSON(&json, c.Common)
	require.NoError(t, err)
	require.JSONEq(t, `{"kubernetes":{"namespace_name":"ns","pod_name":"pod","pod_id":"uid","container_name":"web",
		"container_image":"nginx","host":"node1","labels":{"a":"1","b":"2"}},"docker":{"container_id":"abc"}}`, json.String())
	require.Empty(t, AppendCommon(nil, &logrecord.Source{}))
	in, err := statPath(r.path("0.log"))
	require.NoError(t, err)
	require.Len(t, c.Advance, 1)
	p := c.Advance[0]
	require.Equal(t, []any{in.id.device, in.id.inode, in.size, in.size, r.path("0.log")}, []any{p.Device, p.Inode, p.End, p.Start(), p.Path})

	s := r.sources[0]
	s.Meta.Pod = "other"
	require.NoError(t, r.tailer.Add(s))
	r.write("0.log", cri("stdout", "F", "two")).poll().want("one", "two")
	c, err = chunk.Decode(r.spool.entries[1])
	require.NoError(t, err)
	require.Contains(t, string(c.Common), "other")
}

func TestChunksAreBounded(t *testing.T) {
	r := newRig(t, func(o *Options) { o.BlockBytes, o.ChunkBytes, o.FlushBytes = 4096, 8192, 32768 })
	for n := range 5 {
		r.follow(fmt.Sprint(n, ".log"), reading.CRI).write(fmt.Sprint(n, ".log"), strings.Repeat(cri("stdout", "F", "line"), 2000))
	}
	r.start().poll()
	require.Len(t, r.logs(), 10_000)
	for _, e := range r.spool.entries {
		require.Less(t, len(e), 16<<10)
	}
}

func TestStage(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.Stage = func(s *Source, l *parse.Line) bool {
			l.Log = append([]byte(s.ID+": "), l.Log...)
			return !strings.Contains(string(l.Log), "secret")
		}
	}).follow("0.log", reading.CRI)
	r.write("0.log", cri("stdout", "F", "one")+cri("stdout", "F", "secret")).start().poll().want("0.log: one").metric("stage_dropped_total", 1)
	r.write("0.log", cri("stdout", "F", "secret")).poll().restart(true).poll().metric("lines_total", 0)
}

func TestSpoolRefuses(t *testing.T) {
	r := newRig(t, nil).follow("0.log", reading.CRI).write("0.log", cri("stdout", "F", "one")).start()
	r.spool.refuse = errFull
	r.poll().write("0.log", cri("stdout", "F", "two")).rename("0.log", "0.log.20261124-101112").poll()
	r.write("0.log", cri("stdout", "F", "three")).poll()
	require.Empty(t, r.spool.entries)
	require.Positive(t, gathered(r, "spool_errors_total"))
	require.Empty(t, r.tailer.options.Positions.Select(func(*chunk.Position) bool { return true }))
	r.spool.refuse = nil
	r.pass(time.Minute).want("one", "two", "three")
	r.spool.refuse = errFull
	r.write("0.log", cri("stdout", "F", "four")).poll()
	r.spool.refuse = nil
	r.restart(false).poll().want("one", "two", "three", "four")
}

func TestBadOptions(t *testing.T) {
	_, err := New(Options{})
	require.ErrorContains(t, err, "needs a spool")
	r := newRig(t, nil).start()
	require.ErrorContains(t, r.tailer.Add(Source{ID: "a", Path: "/x", Format: "xml"}), `unknown log format "xml"`)
	require.ErrorContains(t, r.tailer.Add(Source{Format: reading.CRI}), "without an id")
	bad := r.options
	bad.Positions = r.tailer.options.Positions
	bad.Patterns = []Pattern{{Glob: "["}}
	_, err = New(bad)
	require.ErrorContains(t, err, "syntax error in pattern")
}

func TestNoRegularFile(t *testing.T) {
	r := newRig(t, nil).follow("dir.log", reading.CRI).match("*.log")
	require.NoError(t, os.Mkdir(r.path("dir.log"), 0o700))
	r.write("a.log", "one\n").start().poll().want("one")
}
