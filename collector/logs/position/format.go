package position

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/lubberline/lubberline/collector/chunk"
)

const (
	firstLine = "lubberline log positions 1"
	columns   = "# device inode seen fingerprint length tail end stdout stderr state path"
	sumPrefix = "sum "

	numFields = 11
	stateOpen = "open"
	stateDone = "done"
)

// errCheckpoint is wrapped by all complaints about a checkpoint's content.
var errCheckpoint = errors.New("malformed checkpoint")

// format makes a checkpoint.
func format(positions []chunk.Position) []byte {
	b := []byte(firstLine + "\n" + columns + "\n")
	for i := range positions {
		b = appendLine(b, &positions[i])
	}
	return fmt.Appendf(b, "%s%016x\n", sumPrefix, xxhash.Sum64(b))
}

func appendLine(b []byte, p *chunk.Position) []byte {
	state := stateOpen
	if p.Done {
		state = stateDone
	}
	return fmt.Appendf(b, "%d %d %d %016x %d %016x %d %d %d %s %q\n", p.Device, p.Inode, p.Seen,
		p.Fingerprint, p.FingerprintLen, p.Tail, p.End, p.From[0], p.From[1], state, p.Path)
}

// read takes a checkpoint apart. Errors wrap errCheckpoint and name the line.
func read(data []byte) ([]chunk.Position, error) {
	body, err := verify(data)
	if err != nil {
		return nil, err
	}
	var out []chunk.Position
	for i, line := range strings.Split(strings.TrimSuffix(string(body), "\n"), "\n") {
		if i == 0 {
			if line != firstLine {
				return nil, fmt.Errorf("%w: first line %.60q, want %q", errCheckpoint, line, firstLine)
			}
			continue
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		p, err := readLine(line)
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", errCheckpoint, i+1, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// verify returns what is before the last line, if that has its checksum.
func verify(data []byte) ([]byte, error) {
	end := bytes.LastIndexByte(bytes.TrimSuffix(data, []byte("\n")), '\n') + 1
	sum, ok := strings.CutPrefix(string(bytes.TrimSuffix(data[end:], []byte("\n"))), sumPrefix)
	if !ok {
		return nil, fmt.Errorf("%w: cut short, no checksum at the end", errCheckpoint)
	}
	if want := fmt.Sprintf("%016x", xxhash.Sum64(data[:end])); sum != want {
		return nil, fmt.Errorf("%w: checksum %.16q, want %s", errCheckpoint, sum, want)
	}
	return data[:end], nil
}

func readLine(line string) (chunk.Position, error) {
	fields := strings.SplitN(line, " ", numFields)
	if len(fields) != numFields {
		return chunk.Position{}, fmt.Errorf("%d fields, want %d", len(fields), numFields)
	}
	r := fieldReader{fields: fields}
	p := chunk.Position{Device: r.unsigned(10), Inode: r.unsigned(10), Seen: r.signed()}
	p.Fingerprint = r.unsigned(16)
	p.FingerprintLen = int(min(r.signed(), HeadBytes))
	p.Tail = r.unsigned(16)
	p.End = r.signed()
	for i := range p.From {
		p.From[i] = r.signed()
	}
	p.Done = r.next() == stateDone
	path, err := strconv.Unquote(r.next())
	if err != nil {
		r.fail(err)
	}
	p.Path = path
	return p, r.err
}

// fieldReader takes fields off a line until the first error.
type fieldReader struct {
	fields []string
	err    error
}

func (r *fieldReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *fieldReader) next() string {
	f := r.fields[0]
	r.fields = r.fields[1:]
	return f
}

func (r *fieldReader) unsigned(base int) uint64 {
	v, err := strconv.ParseUint(r.next(), base, 64)
	if err != nil {
		r.fail(err)
	}
	return v
}

// signed reads a number that is not negative.
func (r *fieldReader) signed() int64 {
	v, err := strconv.ParseUint(r.next(), 10, 63)
	if err != nil {
		r.fail(err)
	}
	return int64(v)
}
