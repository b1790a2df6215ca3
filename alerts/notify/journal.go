package notify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// journal is a file of records, each behind its length as a varint, that
// survives a kill at any moment: a record that was appended is there, one half
// written is cut off at the next start. Alertmanager's packages read their
// snapshots in the same form.
type journal struct {
	path string

	mu sync.Mutex
	f  *os.File
	// during are the records that came while the file is being written anew, nil
	// at other times.
	during *bytes.Buffer
}

// openJournal opens or makes the file and cuts off a record that is not whole.
func openJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	j := &journal{path: path, f: f}
	content, err := io.ReadAll(f)
	if err == nil {
		err = f.Truncate(int64(whole(content)))
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekEnd)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return j, nil
}

// whole is the length of the records that are complete.
func whole(content []byte) int {
	end := 0
	for range records(content) {
		_, rest := record(content[end:])
		end = len(content) - len(rest)
	}
	return end
}

// records are the records of a file without their lengths.
func records(content []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(content) > 0 {
			r, rest := record(content)
			if r == nil || !yield(r) {
				return
			}
			content = rest
		}
	}
}

// record splits the first record off, nil when it is not whole.
func record(content []byte) (first, rest []byte) {
	size, n := binary.Uvarint(content)
	if n <= 0 || size > uint64(len(content)-n) {
		return nil, content
	}
	end := n + int(size)
	return content[n:end:end], content[end:]
}

// framed puts a record behind its length.
func framed(r []byte) []byte { return append(binary.AppendUvarint(nil, uint64(len(r))), r...) }

// append adds records that have their lengths; they are on disk when it returns.
func (j *journal) append(b []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.during != nil {
		j.during.Write(b)
	}
	if _, err := j.f.Write(b); err != nil {
		return fmt.Errorf("%s: %w", j.path, err)
	}
	return j.f.Sync()
}

// rewrite replaces the file's content with what write gives and what is appended
// meanwhile. One call at a time.
func (j *journal) rewrite(write func(io.Writer) (int64, error)) error {
	j.capture(new(bytes.Buffer))
	var now bytes.Buffer
	_, err := write(&now) // may wait for somebody who is in append
	j.mu.Lock()
	defer j.mu.Unlock()
	now.Write(j.during.Bytes())
	j.during = nil
	if err != nil {
		return fmt.Errorf("%s: %w", j.path, err)
	}
	return j.replace(now.Bytes())
}

func (j *journal) capture(into *bytes.Buffer) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.during = into
}

// replace swaps the file. The caller holds j.mu.
func (j *journal) replace(content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(j.path), filepath.Base(j.path)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(f.Name(), j.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", j.path, err), f.Close(), os.Remove(f.Name()))
	}
	old := j.f
	j.f = f
	return old.Close()
}

// Close closes the file.
func (j *journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.f.Close()
}
