package spool

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// faultyFS fails where its functions say so.
type faultyFS struct {
	fileSystem
	onWrite    func(n int) (written int, err error)
	onSync     func(name string) error
	onTruncate func() error
	onOpen     func(name string) error
}

func (fs *faultyFS) Open(name string, flag int) (file, error) {
	if fs.onOpen != nil {
		if err := fs.onOpen(name); err != nil {
			return nil, err
		}
	}
	f, err := fs.fileSystem.Open(name, flag)
	if err != nil {
		return nil, err
	}
	return faultyFile{f, fs, name}, nil
}

type faultyFile struct {
	file
	fs   *faultyFS
	name string
}

func (f faultyFile) WriteVec(bufs [][]byte, off int64) error {
	if f.fs.onWrite == nil || !strings.HasSuffix(f.name, segmentSuffix) {
		return f.file.WriteVec(bufs, off)
	}
	var all []byte
	for _, b := range bufs {
		all = append(all, b...)
	}
	n, err := f.fs.onWrite(len(all))
	if written := f.file.WriteVec([][]byte{all[:min(n, len(all))]}, off); written != nil {
		return written
	}
	return err
}

func (f faultyFile) Sync() error {
	if f.fs.onSync != nil {
		if err := f.fs.onSync(f.name); err != nil {
			return err
		}
	}
	return f.file.Sync()
}

func (f faultyFile) Truncate(n int64) error {
	if f.fs.onTruncate != nil {
		if err := f.fs.onTruncate(); err != nil {
			return err
		}
	}
	return f.file.Truncate(n)
}

// TestModel compares a spool with a plain list through random operations,
// injected failures and reopenings.
func TestModel(t *testing.T) {
	for seed := range int64(25) {
		t.Run(strconv.FormatInt(seed, 10), func(t *testing.T) { runModel(t, rand.New(rand.NewSource(seed))) })
	}
}

type model struct {
	seqs    []uint64
	data    map[uint64]string
	acked   uint64
	highest uint64
}

func (m *model) unacked() (want []string) {
	for _, seq := range m.seqs {
		if seq > m.acked {
			want = append(want, m.data[seq])
		}
	}
	return want
}

func runModel(t *testing.T, r *rand.Rand) {
	fs := &faultyFS{fileSystem: osFileSystem{}}
	o := Options{Dir: t.TempDir(), SegmentBytes: 500, MaxBytes: 1 << 20, fs: fs}
	s := open(t, o)
	m := &model{data: map[uint64]string{}}
	for range 150 {
		failing := r.Intn(4) == 0
		fs.onWrite, fs.onSync, fs.onTruncate = nil, nil, nil
		if failing {
			injectFault(fs, r)
		}
		switch r.Intn(6) {
		case 0, 1, 2:
			m.append(t, s, r)
		case 3:
			if n := len(m.seqs); n > 0 {
				seq := m.seqs[r.Intn(n)]
				require.NoError(t, s.Ack(seq))
				m.acked = max(m.acked, seq)
			}
		case 4:
			s.Rewind()
			requireSame(t, m.unacked(), rest(t, s))
		case 5:
			fs.onWrite, fs.onSync, fs.onTruncate = nil, nil, nil
			require.NoError(t, s.Close())
			s = open(t, o)
			requireSame(t, m.unacked(), rest(t, s))
		}
		require.EqualValues(t, len(m.unacked()), s.Stats().Entries)
	}
}

func (m *model) append(t *testing.T, s *Spool, r *rand.Rand) {
	var entries [][]byte
	for range 1 + r.Intn(4) {
		entries = append(entries, fmt.Appendf(nil, "%0*d", r.Intn(200), r.Intn(1000)))
	}
	first, err := s.Append(entries...)
	if err != nil {
		return
	}
	require.Greater(t, first, m.highest)
	for i, e := range entries {
		m.highest = first + uint64(i)
		m.seqs = append(m.seqs, m.highest)
		m.data[m.highest] = string(e)
	}
}

func injectFault(fs *faultyFS, r *rand.Rand) {
	fail := errors.New("injected")
	if r.Intn(2) == 0 {
		fs.onSync = func(string) error { return fail }
	} else {
		cut := r.Intn(300)
		fs.onWrite = func(n int) (int, error) { return min(cut, n), fail }
	}
	if r.Intn(2) == 0 {
		fs.onTruncate = func() error { return fail }
	}
}

// TestTornWriteAtEveryByte cuts the file where a crash could.
func TestTornWriteAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	add(t, s, "first")
	_, size, _ := describe(s.segments[0])
	add(t, s, "second entry")
	_, full, _ := describe(s.segments[0])
	require.NoError(t, s.Close())
	name := segmentName(dir, 1)
	whole, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Len(t, whole, int(full))
	for _, tail := range []string{"cut", "zeros"} {
		for n := range int(full) {
			require.NoError(t, os.RemoveAll(dir))
			require.NoError(t, os.MkdirAll(dir, 0o700))
			torn := append([]byte(nil), whole[:n]...)
			if tail == "zeros" {
				torn = append(torn, make([]byte, int(full)-n)...)
			}
			require.NoError(t, os.WriteFile(name, torn, 0o600))
			s := open(t, Options{Dir: dir})
			var want []string
			if n >= int(size) {
				want = []string{"first"}
			}
			require.Equal(t, want, rest(t, s), "%s at %d", tail, n)
			next := add(t, s, "more")
			require.Equal(t, []string{"more"}, rest(t, s))
			if n > int(size) {
				require.Greater(t, next, uint64(2), "the torn one's number is not given again")
			}
			require.NoError(t, s.Close())
		}
	}
}

func TestCorruptionCostsTheRestOfTheSegment(t *testing.T) {
	for _, where := range []string{"sealed", "last"} {
		t.Run(where, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, Options{Dir: dir, SegmentBytes: 500})
			for i := range 9 { // three a segment
				add(t, s, fmt.Sprintf("%0100d", i))
			}
			require.NoError(t, s.Close())
			victim := segmentName(dir, 4)
			if where == "last" {
				victim = segmentName(dir, 7)
			}
			f, err := os.OpenFile(victim, os.O_RDWR, 0)
			require.NoError(t, err)
			_, err = f.WriteAt([]byte("?"), segmentHeaderBytes+entryHeaderBytes+100+entryHeaderBytes+50)
			require.NoError(t, err)
			require.NoError(t, f.Close())

			s = open(t, Options{Dir: dir, SegmentBytes: 500})
			require.Len(t, rest(t, s), 7)
			require.EqualValues(t, 2, s.Stats().Quarantined)
			require.EqualValues(t, 7, s.Stats().Entries)
			next := add(t, s, "more")
			require.Greater(t, next, uint64(9))
			require.Equal(t, []string{"more"}, rest(t, s))
			require.NoError(t, s.Ack(next))
			add(t, s, strings.Repeat("a", 500))
			require.NoError(t, s.sweep())
			kept, err := filepath.Glob(dir + "/*.quarantined")
			require.NoError(t, err)
			require.Len(t, kept, 1)
		})
	}
}

func TestCorruptionWhileOpen(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, file string){
		"garbled": func(t *testing.T, file string) {
			f, err := os.OpenFile(file, os.O_RDWR, 0)
			require.NoError(t, err)
			_, err = f.WriteAt([]byte("garbage"), segmentHeaderBytes+8)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		},
		"truncated": func(t *testing.T, file string) { require.NoError(t, os.Truncate(file, segmentHeaderBytes)) },
		"removed":   func(t *testing.T, file string) { require.NoError(t, os.Remove(file)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, Options{Dir: dir})
			add(t, s, "a", "b")
			spoil(t, segmentName(dir, 1))
			require.Empty(t, rest(t, s))
			require.EqualValues(t, 2, s.Stats().Quarantined)
			require.EqualValues(t, 3, add(t, s, "c"))
			require.Equal(t, []string{"c"}, rest(t, s))
		})
	}
}

func TestBadSegmentHeaderIsSetAside(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir, SegmentBytes: 100})
	for _, e := range []string{"a", "b", "c"} {
		add(t, s, e+strings.Repeat("x", 80))
	}
	require.NoError(t, s.Close())
	require.NoError(t, os.WriteFile(segmentName(dir, 2), make([]byte, 200), 0o600))
	s = open(t, Options{Dir: dir, SegmentBytes: 100})
	got := rest(t, s)
	require.Len(t, got, 2)
	require.True(t, strings.HasPrefix(got[1], "c"))
}

// TestFullDisk needs a file system of its own to fill.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		if os.Getenv("LUBBERLINE_REAL") == "1" {
			t.Fatalf("mount tmpfs: %v", err)
		}
		t.Skipf("needs to mount a tmpfs, set LUBBERLINE_REAL=1 to insist: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	s := open(t, Options{Dir: dir, MaxBytes: 100 << 20, SegmentBytes: 256 << 10})
	n := 0
	var err error
	for ; err == nil; n++ {
		_, err = s.Append(fmt.Appendf(nil, "%050000d", n))
	}
	n--
	require.ErrorIs(t, err, unix.ENOSPC)
	require.ErrorContains(t, err, dir)
	require.Len(t, rest(t, s), n)
	require.NoError(t, s.Ack(uint64(n)))
	require.NoError(t, s.sweep())
	add(t, s, "fits again")
	require.Equal(t, []string{"fits again"}, rest(t, s))
}

// appendForever is the child of TestKill: it appends numbers and prints each
// once it is durable.
func appendForever(dir string) {
	s, err := Open(Options{Dir: dir, SegmentBytes: 10_000})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for i := 0; ; i++ {
		seq, err := s.Append(fmt.Appendf(nil, "%0100d", s.Stats().NextSeq))
		if err != nil {
			os.Exit(1)
		}
		fmt.Println(seq)
	}
}

func TestKillLosesNothingThatWasAppended(t *testing.T) {
	dir := t.TempDir()
	var durable uint64
	for round := range 5 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "SPOOL_TEST_CHILD="+dir)
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		lines := bufio.NewScanner(out)
		for range 50 + 30*round {
			require.True(t, lines.Scan())
			durable, err = strconv.ParseUint(lines.Text(), 10, 64)
			require.NoError(t, err)
		}
		require.NoError(t, child.Process.Kill())
		for lines.Scan() {
			durable, err = strconv.ParseUint(lines.Text(), 10, 64)
			require.NoError(t, err)
		}
		require.Error(t, child.Wait())

		s := open(t, Options{Dir: dir, SegmentBytes: 10_000})
		got := rest(t, s)
		require.GreaterOrEqual(t, len(got), int(durable))
		for i, data := range got {
			require.Equal(t, fmt.Sprintf("%0100d", i+1), data)
		}
		require.NoError(t, s.Close())
	}
}

// FuzzSegment opens a spool on any bytes.
func FuzzSegment(f *testing.F) {
	good := encodeSegmentHeader(1, 0)
	for seq, data := range []string{"a", "bb", strings.Repeat("c", 300)} {
		var h [entryHeaderBytes]byte
		putEntryHeader(h[:], uint64(seq+1), 1, []byte(data))
		good = append(append(good, h[:]...), data...)
	}
	f.Add(good)
	f.Add(good[:70])
	f.Add(append(good[:60:60], good[61:]...))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir, err := os.MkdirTemp(memoryDir(), "spool")
		require.NoError(t, err)
		defer os.RemoveAll(dir)
		require.NoError(t, os.WriteFile(segmentName(dir, 1), b, 0o600))
		s, err := Open(Options{Dir: dir})
		require.NoError(t, err)
		defer s.Close()
		before := len(rest(t, s))
		require.EqualValues(t, before, s.Stats().Entries)
		next := add(t, s, "more")
		require.Greater(t, next, uint64(before))
		require.Equal(t, []string{"more"}, rest(t, s))
	})
}

// requireSame is require.Equal with a short complaint.
func requireSame(t *testing.T, want, got []string) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, want[i], got[i], "entry %d", i)
	}
}

// memoryDir is a directory that costs no disk writes, where there is one.
func memoryDir() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}
