package logs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"
	"go.uber.org/goleak"

	"github.com/lubberline/lubberline/collector/chunk"
	"github.com/lubberline/lubberline/collector/logs/position"
	"github.com/lubberline/lubberline/collector/reading"
	"github.com/lubberline/lubberline/logrecord"
	"github.com/lubberline/lubberline/spool"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimEnv); dir != "" {
		runVictim(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// memorySpool is a spool that forgets nothing and can refuse.
type memorySpool struct {
	entries [][]byte
	refuse  error
}

func (s *memorySpool) Append(entries ...[]byte) (uint64, error) {
	if s.refuse != nil {
		return 0, s.refuse
	}
	first := uint64(len(s.entries) + 1)
	for _, e := range entries {
		s.entries = append(s.entries, append([]byte(nil), e...))
	}
	return first, nil
}

func (s *memorySpool) Scan(f func(spool.Entry) error) error {
	for i, e := range s.entries {
		if err := f(spool.Entry{Seq: uint64(i + 1), Data: e}); err != nil {
			return err
		}
	}
	return nil
}

// record is one decoded entry.
type record struct {
	time        int64
	log, stream string
}

func decodeEntries(t testing.TB, c *chunk.Chunk) []record {
	t.Helper()
	var out []record
	for b := c.Entries; len(b) > 0; {
		require.Equal(t, []byte{0x92, 0xd7, 0}, b[:3])
		r := record{time: int64(uint32(b[3])<<24|uint32(b[4])<<16|uint32(b[5])<<8|uint32(b[6]))*1e9 +
			int64(uint32(b[7])<<24|uint32(b[8])<<16|uint32(b[9])<<8|uint32(b[10]))}
		n, rest, err := msgp.ReadMapHeaderBytes(b[11:])
		require.NoError(t, err)
		for range n {
			var key, value string
			key, rest, err = msgp.ReadStringBytes(rest)
			require.NoError(t, err)
			value, rest, err = msgp.ReadStringBytes(rest)
			require.NoError(t, err)
			switch key {
			case logrecord.FieldLog:
				r.log = value
			case logrecord.FieldStream:
				r.stream = value
			default:
				t.Fatalf("field %q", key)
			}
		}
		out, b = append(out, r), rest
	}
	require.Len(t, out, c.Count)
	return out
}

// rig is a tailer on a directory of its own, driven by hand.
type rig struct {
	t       *testing.T
	dir     string
	spool   *memorySpool
	options Options
	sources []Source
	tailer  *Tailer
	now     time.Time
	names   *prometheus.Registry
}

func newRig(t *testing.T, change func(*Options)) *rig {
	r := &rig{t: t, dir: t.TempDir(), spool: &memorySpool{}, now: time.Unix(1_800_000_000, 0)}
	r.options = Options{Spool: r.spool, RescanInterval: time.Nanosecond, ScratchDir: t.TempDir(),
		CheckpointInterval: 10_000 * time.Hour}
	if change != nil {
		change(&r.options)
	}
	t.Cleanup(r.kill)
	return r
}

// follow makes the rig read a container's file.
func (r *rig) follow(name string, format reading.LogFormat) *rig {
	r.sources = append(r.sources, Source{ID: name, Path: r.path(name), Format: format, Tag: "tag." + name})
	return r
}

// match makes the rig read plain files.
func (r *rig) match(glob string) *rig {
	r.options.Patterns = append(r.options.Patterns, Pattern{Glob: r.path(glob), Tag: "plain"})
	return r
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) start() *rig {
	r.t.Helper()
	checkpoint := filepath.Join(r.options.ScratchDir, "positions")
	store, err := position.Open(position.Options{Path: checkpoint})
	require.NoError(r.t, err)
	o := r.options
	o.Positions = store
	r.names = prometheus.NewRegistry()
	o.Registerer = r.names
	o.now = func() time.Time { return r.now }
	r.tailer, err = New(o)
	require.NoError(r.t, err)
	for _, s := range r.sources {
		require.NoError(r.t, r.tailer.Add(s))
	}
	return r
}

// poll reads until nothing is left.
func (r *rig) poll() *rig {
	r.t.Helper()
	for range 100_000 {
		r.now = r.now.Add(time.Millisecond)
		if !r.tailer.Poll() {
			r.now = r.now.Add(time.Millisecond)
			if !r.tailer.Poll() {
				return r
			}
		}
	}
	r.t.Fatal("does not come to an end")
	return r
}

// pass lets time go by.
func (r *rig) pass(d time.Duration) *rig {
	r.now = r.now.Add(d)
	return r.poll()
}

// kill ends the tailer without saving anything.
func (r *rig) kill() {
	if r.tailer != nil {
		require.NoError(r.t, r.tailer.Close())
		r.tailer = nil
	}
}

// restart kills and starts; with save, as a shutdown does.
func (r *rig) restart(save bool) *rig {
	r.t.Helper()
	if save {
		require.NoError(r.t, r.tailer.finishRun())
	}
	r.kill()
	return r.start()
}

func (r *rig) write(name, text string) *rig {
	r.t.Helper()
	f, err := os.OpenFile(r.path(name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	require.NoError(r.t, err)
	_, err = f.WriteString(text)
	require.NoError(r.t, err)
	require.NoError(r.t, f.Close())
	return r
}

func (r *rig) rename(from, to string) *rig {
	require.NoError(r.t, os.Rename(r.path(from), r.path(to)))
	return r
}

func (r *rig) copy(from, to string) *rig {
	data, err := os.ReadFile(r.path(from))
	require.NoError(r.t, err)
	require.NoError(r.t, os.WriteFile(r.path(to), data, 0o600))
	return r
}

func (r *rig) truncate(name string) *rig {
	require.NoError(r.t, os.Truncate(r.path(name), 0))
	return r
}

func (r *rig) delete(name string) *rig {
	require.NoError(r.t, os.Remove(r.path(name)))
	return r
}

func (r *rig) records() []record {
	r.t.Helper()
	var out []record
	for _, e := range r.spool.entries {
		c, err := chunk.Decode(e)
		require.NoError(r.t, err)
		out = append(out, decodeEntries(r.t, &c)...)
	}
	return out
}

// logs are the records' texts.
func (r *rig) logs() []string {
	r.t.Helper()
	out := []string{}
	for _, record := range r.records() {
		out = append(out, record.log)
	}
	return out
}

// want compares all that was ever written to the spool, in order.
func (r *rig) want(logs ...string) *rig {
	r.t.Helper()
	require.Equal(r.t, logs, r.logs())
	return r
}

// wantAny is want in any order.
func (r *rig) wantAny(logs ...string) *rig {
	r.t.Helper()
	require.ElementsMatch(r.t, logs, r.logs())
	return r
}

func (r *rig) metric(name string, want float64) *rig {
	r.t.Helper()
	families, err := r.names.Gather()
	require.NoError(r.t, err)
	for _, f := range families {
		if f.GetName() == "lubberline_logs_"+name {
			m := f.GetMetric()[0]
			require.InDelta(r.t, want, m.GetCounter().GetValue()+m.GetGauge().GetValue(), 0.1, name)
			return r
		}
	}
	r.t.Fatalf("no metric %s", name)
	return r
}

var errFull = errors.New("no space left on device")

func cri(stream, tag, text string) string {
	return fmt.Sprintf("2026-11-24T10:11:12.123456789Z %s %s %s\n", stream, tag, text)
}

func docker(stream, text string) string {
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(text)
	return fmt.Sprintf(`{"log":"%s","stream":"%s","time":"2026-11-24T10:11:12.123456789Z"}`+"\n", quoted, stream)
}
