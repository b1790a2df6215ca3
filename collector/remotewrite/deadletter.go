package remotewrite

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// deadLetters keeps requests that the receiver has refused for good: one JSON
// object a line, with the request as it was spooled. When the file is full it
// takes the place of an older one.
type deadLetters struct {
	path     string
	maxBytes int64
}

// deadLetter is a line of the file.
type deadLetter struct {
	Time   time.Time `json:"time"`
	Seq    uint64    `json:"seq"`
	Status int       `json:"status,omitempty"`
	Answer string    `json:"answer"`
	// Request is a remote write 2.0 request in snappy's block format.
	Request []byte `json:"request"`
}

// DeadLetterFile is the name of the file with refused requests; the older one
// has ".1" after it.
const DeadLetterFile = "dead-letters.jsonl"

func newDeadLetters(dir string, maxBytes int64) (*deadLetters, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the dead-letter directory: %w", err)
	}
	return &deadLetters{path: filepath.Join(dir, DeadLetterFile), maxBytes: maxBytes}, nil
}

// add appends a letter. One that alone is over half of the bound is kept
// without its request.
func (d *deadLetters) add(letter deadLetter) error {
	line, err := json.Marshal(letter)
	if err != nil {
		return err
	}
	if int64(len(line)) > d.maxBytes/2 {
		letter.Request = nil
		if line, err = json.Marshal(letter); err != nil {
			return err
		}
	}
	if err := d.makeRoom(int64(len(line)) + 1); err != nil {
		return err
	}
	file, err := os.OpenFile(d.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("open the dead-letter file: %w", err)
	}
	_, err = file.Write(append(line, '\n'))
	return errors.Join(err, file.Close())
}

// makeRoom moves a file that would grow over half of the bound out of the way.
func (d *deadLetters) makeRoom(n int64) error {
	info, err := os.Stat(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the dead-letter file: %w", err)
	}
	if info.Size()+n <= d.maxBytes/2 {
		return nil
	}
	if err := os.Rename(d.path, d.path+".1"); err != nil {
		return fmt.Errorf("replace the dead-letter file: %w", err)
	}
	return nil
}
