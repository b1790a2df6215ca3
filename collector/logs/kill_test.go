package logs

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/collector/chunk"
	"github.com/lubberline/lubberline/collector/logs/position"
	"github.com/lubberline/lubberline/collector/reading"
	"github.com/lubberline/lubberline/spool"
)

const (
	victimEnv = "LUBBERLINE_LOGS_VICTIM"
	kills     = 12
)

// victim is a tailer with a spool and a shipper that writes what it ships to a
// file of this run, and acknowledges it.
type victim struct {
	tailer *Tailer
	spool  *spool.Spool
	out    *os.File
}

func newVictim(dir string) (*victim, error) {
	state := filepath.Join(dir, "state")
	store, err := position.Open(position.Options{Path: filepath.Join(state, "positions")})
	if err != nil {
		return nil, err
	}
	s, err := spool.Open(spool.Options{Dir: filepath.Join(state, "spool"), SegmentBytes: 256 << 10, BeforeDelete: store.BeforeDelete})
	if err != nil {
		return nil, err
	}
	tailer, err := New(Options{Spool: s, Positions: store, ScratchDir: state, CheckpointInterval: 100 * time.Millisecond,
		FlushInterval: 5 * time.Millisecond, BlockBytes: 8 << 10,
		Patterns: []Pattern{{Glob: filepath.Join(dir, "plain.log*"), Tag: "plain.log"}}})
	if err != nil {
		return nil, err
	}
	for name, format := range map[string]reading.LogFormat{"0.log": reading.CRI, "1.log": reading.CRI, "x-json.log": reading.DockerJSON} {
		if err := tailer.Add(Source{ID: name, Path: filepath.Join(dir, name), Format: format, Tag: name}); err != nil {
			return nil, err
		}
	}
	out, err := os.CreateTemp(dir, "shipped-*")
	return &victim{tailer, s, out}, err
}

// ship writes entries as sequence number, length and data.
func (v *victim) ship(ctx context.Context) error {
	for {
		e, err := v.spool.Next(ctx)
		if err != nil {
			return err
		}
		b := binary.BigEndian.AppendUint64(nil, e.Seq)
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(e.Data))), e.Data...)
		if _, err := v.out.Write(b); err != nil {
			return err
		}
		if err := v.spool.Ack(e.Seq); err != nil {
			return err
		}
	}
}

// runVictim is the child process; it ends only by being killed.
func runVictim(dir string) {
	v, err := newVictim(dir)
	if err == nil {
		go func() { err = v.tailer.Run(context.Background()) }()
		err = v.ship(context.Background())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// shipped reads what all runs have shipped, each entry once.
func shipped(t *testing.T, dir string) map[uint64]chunk.Chunk {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "shipped-*"))
	require.NoError(t, err)
	out := make(map[uint64]chunk.Chunk)
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		for len(data) >= 12 {
			seq, n := binary.BigEndian.Uint64(data), int(binary.BigEndian.Uint32(data[8:]))
			if data = data[12:]; len(data) < n {
				break // killed while writing
			}
			c, err := chunk.Decode(data[:n])
			require.NoError(t, err)
			out[seq] = c
			data = data[n:]
		}
	}
	return out
}

// writer writes numbered records to a file and rotates it, until stop.
type writer struct {
	path   string
	encode func(stream, tag, text string) string
	plain  bool
	n      [2]int // records of each stream
}

func (w *writer) run(stop *atomic.Bool) error {
	random := rand.New(rand.NewPCG(1, uint64(len(w.path))))
	for generation := 0; !stop.Load(); generation++ {
		f, err := os.OpenFile(w.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		for range 100 {
			if _, err := f.WriteString(w.batch(random)); err != nil {
				return err
			}
			time.Sleep(500 * time.Microsecond) // the pace of writing; nothing waits for it
		}
		if err := f.Close(); err != nil {
			return err
		}
		if err := os.Rename(w.path, fmt.Sprintf("%s.20261124-%06d", w.path, generation)); err != nil {
			return err
		}
	}
	return nil
}

// batch is some records of two streams, the parts of some interleaved.
func (w *writer) batch(random *rand.Rand) string {
	var b strings.Builder
	for range 5 {
		if w.plain {
			fmt.Fprintf(&b, "record %d\n", w.next(0))
			continue
		}
		out, errs := fmt.Sprint("record ", w.next(0)), fmt.Sprint("record ", w.next(1))
		b.WriteString(w.encode("stdout", "P", out[:3]))
		if random.IntN(2) == 0 {
			b.WriteString(w.encode("stdout", "P", out[3:5]))
			b.WriteString(w.encode("stderr", "F", errs))
			b.WriteString(w.encode("stdout", "F", out[5:]))
			continue
		}
		b.WriteString(w.encode("stderr", "P", errs[:4]))
		b.WriteString(w.encode("stdout", "F", out[3:]))
		b.WriteString(w.encode("stderr", "F", errs[4:]))
	}
	return b.String()
}

func (w *writer) next(stream int) int {
	w.n[stream]++
	return w.n[stream] - 1
}

func dockerPart(stream, tag, text string) string {
	if tag == "F" {
		text += "\n"
	}
	return docker(stream, text)
}

// TestKilledAtRandom kills the process a dozen times while four files are
// written to and rotated: every record arrives once, in the order of its
// stream.
func TestKilledAtRandom(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "state"), 0o700))
	writers := []*writer{
		{path: filepath.Join(dir, "0.log"), encode: cri}, {path: filepath.Join(dir, "1.log"), encode: cri},
		{path: filepath.Join(dir, "x-json.log"), encode: dockerPart}, {path: filepath.Join(dir, "plain.log"), plain: true},
	}
	var stop atomic.Bool
	var group sync.WaitGroup
	for _, w := range writers {
		group.Go(func() {
			if err := w.run(&stop); err != nil {
				t.Error(err)
			}
		})
	}
	for range kills {
		killOnce(t, dir)
	}
	stop.Store(true)
	group.Wait()
	finishVictim(t, dir, writers)
	checkShipped(t, dir, writers)
}

// killOnce starts the process and kills it some time after it shipped something.
func killOnce(t *testing.T, dir string) {
	t.Helper()
	before := sizeOfShipped(t, dir)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimEnv+"="+dir)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	require.NoError(t, cmd.Start())
	goal := before + rand.Int64N(200<<10)
	require.Eventually(t, func() bool { return sizeOfShipped(t, dir) > goal }, 20*time.Second, time.Millisecond, "%s", &complaint)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.Empty(t, complaint.String())
}

func sizeOfShipped(t *testing.T, dir string) int64 {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "shipped-*"))
	require.NoError(t, err)
	var size int64
	for _, name := range files {
		if in, err := os.Stat(name); err == nil {
			size += in.Size()
		}
	}
	return size
}

// finishVictim lets an unkilled run take the rest.
func finishVictim(t *testing.T, dir string, writers []*writer) {
	t.Helper()
	v, err := newVictim(dir)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { _ = v.tailer.Run(ctx) })
	group.Go(func() { _ = v.ship(ctx) })
	want := 0
	for _, w := range writers {
		want += w.n[0] + w.n[1]
	}
	for deadline := time.Now().Add(20 * time.Second); countShipped(t, dir) < want && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond) // what is missing then is told by the caller's comparison
	}
	cancel()
	group.Wait()
	require.NoError(t, v.tailer.Close())
	require.NoError(t, v.spool.Close())
	require.NoError(t, v.out.Close())
}

func countShipped(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	for _, c := range shipped(t, dir) {
		n += c.Count
	}
	return n
}

func checkShipped(t *testing.T, dir string, writers []*writer) {
	t.Helper()
	chunks := shipped(t, dir)
	got := make(map[string][]string)
	for seq := uint64(1); len(chunks) > 0; seq++ {
		c, ok := chunks[seq]
		require.True(t, ok, "entry %d is missing", seq)
		delete(chunks, seq)
		for _, r := range decodeEntries(t, &c) {
			got[c.Tag+" "+r.stream] = append(got[c.Tag+" "+r.stream], r.log)
		}
	}
	for _, w := range writers {
		for s, stream := range []string{"stdout", "stderr"} {
			name := filepath.Base(w.path) + " " + stream
			if w.plain {
				name = filepath.Base(w.path) + " "
			}
			if w.n[s] == 0 {
				continue
			}
			want := make([]string, w.n[s])
			for i := range want {
				want[i] = fmt.Sprint("record ", i)
			}
			if w.plain { // files of a pattern are read side by side
				slices.Sort(want)
				slices.Sort(got[name])
			}
			require.Equal(t, want, got[name], name)
		}
		t.Logf("%s: %d records", filepath.Base(w.path), w.n[0]+w.n[1])
	}
}
