package e2e

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// How the log files of a load are made: what an engine's rotation does, only
// more often.
const (
	rotateAfter  = 10_000 // lines
	keepRotated  = 12     // files
	partialEvery = 97     // lines: one in so many comes in two parts
	stderrEvery  = 10
	writeEvery   = 20 * time.Millisecond
)

// lineLoad writes numbered lines into log files at a steady rate, in the
// format of CRI and in Docker's, with lines in parts, writes that end in
// mid-line, and rotation by rename.
type lineLoad struct {
	word  string // in every line of this load, and nowhere else
	rate  int    // lines a second, all files together
	files []*lineFile
	now   atomic.Int64 // lines written so far
	stop  chan struct{}
	done  chan error
}

// lineFile is one log file, with its elders beside it: name.1 is the youngest.
type lineFile struct {
	name, path string
	encode     func(b []byte, at time.Time, stream, text string, whole bool) []byte
	file       *os.File
	written    int // lines, which is also the next line's number
	rotateAt   int
	held       []byte // the end of a line, to be written with the next batch
}

// startLines begins to write into half as many files of each format below dir.
func startLines(t *testing.T, dir, word string, rate, files int) *lineLoad {
	t.Helper()
	l := &lineLoad{word: word, rate: rate, stop: make(chan struct{}), done: make(chan error, 1)}
	for i := range files {
		f := &lineFile{name: fmt.Sprintf("f%02d", i), encode: criLine, rotateAt: rotateAfter * (i + 1) / files}
		f.path = filepath.Join(dir, f.name+".cri")
		if i%2 == 1 {
			f.encode, f.path = dockerLine, filepath.Join(dir, f.name+".docker")
		}
		l.files = append(l.files, f)
	}
	go func() { l.done <- l.run() }()
	t.Cleanup(func() { l.finish(t) })
	return l
}

// lineFiles is the configuration that has such files read.
func lineFiles(dir string) string {
	return fmt.Sprintf(`[{glob: "%[1]s/*.cri*", tag: load.cri, format: cri}, {glob: "%[1]s/*.docker*", tag: load.docker, format: docker-json}]`, dir)
}

func (l *lineLoad) run() error {
	tick := time.NewTicker(writeEvery)
	defer tick.Stop()
	start := time.Now()
	for {
		select {
		case <-l.stop:
			for _, f := range l.files {
				if err := f.close(); err != nil {
					return err
				}
			}
			return nil
		case <-tick.C:
		}
		due := int(time.Since(start).Seconds() * float64(l.rate) / float64(len(l.files)))
		for _, f := range l.files {
			if err := f.write(l.word, due); err != nil {
				return err
			}
		}
		l.now.Store(int64(due * len(l.files)))
	}
}

// write brings the file up to so many lines in one write.
func (f *lineFile) write(word string, due int) error {
	if f.file == nil {
		file, err := os.OpenFile(f.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		f.file = file
	}
	batch, at := f.held, time.Now()
	f.held = nil
	for ; f.written < due; f.written++ {
		batch = f.line(batch, at, word)
	}
	rotate := f.written >= f.rotateAt
	if n := len(batch); n > 200 && !rotate {
		f.held = append(f.held, batch[n-50:]...)
		batch = batch[:n-50]
	}
	if _, err := f.file.Write(batch); err != nil || !rotate {
		return err
	}
	return f.rotate()
}

func (f *lineFile) line(b []byte, at time.Time, word string) []byte {
	stream := "stdout"
	if f.written%stderrEvery == 0 {
		stream = "stderr"
	}
	text := fmt.Sprintf("%s %s %09d GET /shop/basket/items?page=%d 200 in %dms", word, f.name, f.written, f.written%7, f.written%83)
	if f.written%partialEvery == 0 {
		b = f.encode(b, at, stream, text[:20], false)
		text = text[20:]
	}
	return f.encode(b, at, stream, text, true)
}

func criLine(b []byte, at time.Time, stream, text string, whole bool) []byte {
	mark := " P "
	if whole {
		mark = " F "
	}
	b = at.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000000Z07:00")
	b = append(b, " "+stream+mark+text...)
	return append(b, '\n')
}

func dockerLine(b []byte, at time.Time, stream, text string, whole bool) []byte {
	if whole {
		text += "\n"
	}
	b = append(b, `{"log":`...)
	b = strconv.AppendQuote(b, text)
	b = append(b, `,"stream":"`+stream+`","time":"`...)
	b = at.UTC().AppendFormat(b, time.RFC3339Nano)
	return append(b, "\"}\n"...)
}

// rotate renames the file and its elders, and drops the oldest.
func (f *lineFile) rotate() error {
	f.rotateAt += rotateAfter
	if err := f.close(); err != nil {
		return err
	}
	elder := func(i int) string { return f.path + "." + strconv.Itoa(i) }
	_ = os.Remove(elder(keepRotated))
	for i := keepRotated - 1; i >= 1; i-- {
		_ = os.Rename(elder(i), elder(i+1))
	}
	return os.Rename(f.path, elder(1))
}

func (f *lineFile) close() error {
	if f.file == nil {
		return nil
	}
	defer func() { f.file, f.held = nil, nil }()
	if _, err := f.file.Write(f.held); err != nil {
		return err
	}
	return f.file.Close()
}

// finish ends the writing with the last line whole; it may be called again.
func (l *lineLoad) finish(t *testing.T) {
	t.Helper()
	select {
	case <-l.stop:
		return
	default:
	}
	close(l.stop)
	require.NoError(t, <-l.done, "write the log files")
}

// total is the number of lines written, once finished.
func (l *lineLoad) total() (n int) {
	for _, f := range l.files {
		n += f.written
	}
	return n
}

// query selects the lines of the load.
func (l *lineLoad) query(since time.Time) url.Values {
	return url.Values{"start": {since.Format(time.RFC3339Nano)}, "end": {time.Now().Format(time.RFC3339Nano)}, "text": {l.word}}
}

// count asks the aggregator for the number of lines it has.
func (l *lineLoad) count(a api, since time.Time) (int, error) {
	var h struct {
		Buckets []struct {
			Total int `json:"total"`
		} `json:"buckets"`
	}
	q := l.query(since)
	q.Set("interval", "1h")
	if err := a.json("/api/v1/logs/histogram?"+q.Encode(), &h); err != nil {
		return 0, err
	}
	n := 0
	for _, b := range h.Buckets {
		n += b.Total
	}
	return n, nil
}

// expectOnce waits until as many lines have arrived as were written, then reads
// them all and wants each exactly once.
func (l *lineLoad) expectOnce(a api, since time.Time) {
	a.t.Helper()
	a.eventually("all lines arrive", func() error {
		n, err := l.count(a, since)
		if err == nil && n < l.total() {
			err = fmt.Errorf("%d of %d lines", n, l.total())
		}
		return err
	})
	l.requireOnce(a.t, l.read(a, since))
}

func (l *lineLoad) requireOnce(t *testing.T, seen [][]byte) {
	t.Helper()
	var wrong []string
	for i, f := range l.files {
		for n := range max(f.written, len(seen[i])) {
			if times := at(seen[i], n); times != 1 && len(wrong) < 20 {
				wrong = append(wrong, fmt.Sprintf("line %d of %s: %d times", n, f.name, times))
			}
		}
	}
	require.Empty(t, wrong, "of %d lines", l.total())
}

func at(counts []byte, i int) byte {
	if i < len(counts) {
		return counts[i]
	}
	return 0
}

// read pages through all lines, and counts each by its file and number.
func (l *lineLoad) read(a api, since time.Time) [][]byte {
	a.t.Helper()
	seen := l.nothingSeen()
	q := l.query(since)
	q.Set("order", "asc")
	q.Set("limit", "10000")
	for {
		var page struct {
			Entries []struct {
				Message string `json:"message"`
			} `json:"entries"`
			Next string `json:"next"`
		}
		require.NoError(a.t, a.json("/api/v1/logs?"+q.Encode(), &page))
		for _, e := range page.Entries {
			l.see(a.t, seen, e.Message)
		}
		if page.Next == "" {
			return seen
		}
		q.Set("cursor", page.Next)
	}
}

// nothingSeen is a counter for each line of each file.
func (l *lineLoad) nothingSeen() [][]byte {
	seen := make([][]byte, len(l.files))
	for i, f := range l.files {
		seen[i] = make([]byte, f.written)
	}
	return seen
}

// see counts a line.
func (l *lineLoad) see(t *testing.T, seen [][]byte, message string) {
	var file, number int
	rest, ok := strings.CutPrefix(message, l.word+" f")
	require.True(t, ok, "a line that is not one of the load's: %q", message)
	_, err := fmt.Sscanf(rest, "%02d %09d", &file, &number)
	require.NoError(t, err, message)
	require.Less(t, number, len(seen[file]), "a line that was not written: %q", message)
	seen[file][number]++
}
