package queue

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// DeadLetters is a file of what the store can never take: one JSON object a
// line, {"time","reason","target","item"}. When it reaches half of its bound it
// is renamed to NAME.old, whose predecessor goes. A crash at the wrong moment
// may write a letter twice; it never loses one.
type DeadLetters struct {
	path  string
	bound int64

	mu   sync.Mutex // guards the fields below
	file *os.File
	size int64
}

const defaultDeadLetterBytes = 64 << 20

// OpenDeadLetters opens the file, making it and its directory where missing. It
// and its predecessor together stay below maxBytes, 64 MiB when 0.
func OpenDeadLetters(path string, maxBytes int64) (*DeadLetters, error) {
	if maxBytes == 0 {
		maxBytes = defaultDeadLetterBytes
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("make the folder of dead letters: %w", err)
	}
	d := &DeadLetters{path: path, bound: maxBytes / 2}
	return d, d.open()
}

func (d *DeadLetters) open() error {
	f, err := os.OpenFile(d.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("open dead letters: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return fmt.Errorf("open dead letters: %w", err)
	}
	d.file, d.size = f, info.Size()
	return nil
}

// Letter is one thing that the store refused for good.
type Letter struct {
	// Reason is the store's.
	Reason string `json:"reason"`
	// Target is where it should have gone: an index, a bucket.
	Target string `json:"target,omitempty"`
	// Item is the JSON document, or a line as a JSON string.
	Item json.RawMessage `json:"item"`
}

// Write appends letters and returns when they are on disk.
func (d *DeadLetters) Write(letters ...Letter) error {
	if len(letters) == 0 {
		return nil
	}
	text, err := encodeLetters(letters)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.size > 0 && d.size+int64(len(text)) > d.bound {
		if err := d.turn(); err != nil {
			return err
		}
	}
	n, err := d.file.Write(text)
	d.size += int64(n)
	if err == nil {
		err = d.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("write dead letters: %w", err)
	}
	return nil
}

func encodeLetters(letters []Letter) ([]byte, error) {
	now := time.Now().UTC().Format(time.RFC3339Nano)
	var text []byte
	for _, l := range letters {
		if !json.Valid(l.Item) {
			l.Item, _ = json.Marshal(string(l.Item))
		}
		line, err := json.Marshal(struct {
			Time string `json:"time"`
			Letter
		}{now, l})
		if err != nil {
			return nil, fmt.Errorf("encode a dead letter: %w", err)
		}
		text = append(append(text, line...), '\n')
	}
	return text, nil
}

func (d *DeadLetters) turn() error {
	if err := d.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) { // closed by a turn that failed
		return fmt.Errorf("close dead letters: %w", err)
	}
	if err := os.Rename(d.path, d.path+".old"); err != nil {
		return fmt.Errorf("turn dead letters over: %w", err)
	}
	return d.open()
}

// Close closes the file.
func (d *DeadLetters) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.file.Close()
}
