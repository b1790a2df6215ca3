package forward

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Entry is one event of a chunk. Its byte slices refer to the chunk.
type Entry struct {
	// Time is nanoseconds since the epoch; 0 when the event has none, or one
	// that no clock shows.
	Time int64
	// RawTime is the msgpack value of a time that could not be used, nil
	// otherwise.
	RawTime []byte
	// Metadata is the msgpack map that Fluent Bit 2 puts beside the time; nil
	// when there is none.
	Metadata []byte
	// Record is a msgpack map.
	Record []byte
}

// Iterator walks packed entries.
//
//	it := forward.NewIterator(c.Entries)
//	for it.Next() {
//		use(it.Entry)
//	}
//	// it.Bad events were passed over; it.Err tells why the rest was given up
type Iterator struct {
	// Entry is the current one after Next returned true.
	Entry Entry
	// Bad counts events that are no [time, map].
	Bad int
	// BadReason is what was wrong with the last bad one.
	BadReason error
	// Err is set when the bytes ceased to be msgpack; what is behind is lost.
	Err error

	rest []byte
}

// NewIterator walks entries, msgpack [time, record] one after the other.
func NewIterator(entries []byte) *Iterator { return &Iterator{rest: entries} }

// Next goes on to the next good entry; false at the end, or when Err is set.
func (it *Iterator) Next() bool {
	for len(it.rest) > 0 {
		rest, err := it.parse(it.rest)
		if err == nil {
			it.rest = rest
			return true
		}
		it.Bad++
		it.BadReason = err
		if rest, err = Skip(it.rest); err != nil {
			it.Err = err
			it.rest = nil
			return false
		}
		it.rest = rest
	}
	return false
}

// parse reads one entry; it knows [time, record, anything...].
func (it *Iterator) parse(b []byte) ([]byte, error) {
	n, b, err := readArrayHead(b)
	if err != nil {
		return nil, err
	}
	if n < 2 {
		return nil, fmt.Errorf("%w: entry of %d elements", ErrMalformed, n)
	}
	it.Entry = Entry{}
	if b, err = it.parseTime(b); err != nil {
		return nil, err
	}
	record := b
	if !IsMap(b) {
		return nil, fmt.Errorf("%w: record is no map", ErrMalformed)
	}
	if b, err = skip(b, MaxDepth); err != nil {
		return nil, err
	}
	it.Entry.Record = record[:len(record)-len(b)]
	for range n - 2 {
		if b, err = Skip(b); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// parseTime reads a time, or [time, metadata].
func (it *Iterator) parseTime(b []byte) ([]byte, error) {
	if len(b) >= 10 && b[0] == 0xd7 && b[1] == 0 { // what nearly all senders write
		it.Entry.Time = eventTime(b[2:10])
		return b[10:], nil
	}
	h, err := readHead(b)
	if err != nil {
		return nil, err
	}
	if h.kind != kindArray {
		return it.parseBareTime(b)
	}
	if h.n != 2 {
		return nil, fmt.Errorf("%w: time of %d elements", ErrMalformed, h.n)
	}
	if b, err = it.parseBareTime(b[h.size:]); err != nil {
		return nil, err
	}
	rest, err := Skip(b)
	if err != nil {
		return nil, err
	}
	if IsMap(b) {
		it.Entry.Metadata = b[:len(b)-len(rest)]
	}
	return rest, nil
}

func (it *Iterator) parseBareTime(b []byte) ([]byte, error) {
	rest, err := skip(b, 0)
	if err != nil {
		return nil, err
	}
	raw := b[:len(b)-len(rest)]
	nanos, err := ParseTime(raw)
	if err != nil {
		it.Entry.RawTime = raw
	}
	it.Entry.Time = nanos
	return rest, nil
}

var errTime = errors.New("not a time")

// ParseTime reads a msgpack time: an EventTime, or seconds as an integer or a
// float. Nil and zero give 0. Seconds of 32 bits count as unsigned.
func ParseTime(b []byte) (int64, error) {
	h, err := readHead(b)
	if err != nil {
		return 0, err
	}
	switch h.kind {
	case kindNil:
		return 0, nil
	case kindInt, kindUint:
		return parseSeconds(b)
	case kindFloat:
		return parseFloatSeconds(b)
	case kindExt:
		if h.n == 8 && len(b) >= h.size+8 && b[h.size-1] == 0 {
			return eventTime(b[h.size:]), nil
		}
	}
	return 0, fmt.Errorf("%w: %s", errTime, h.kind)
}

func parseSeconds(b []byte) (int64, error) {
	v, err := readInt(b)
	if err != nil {
		return 0, err
	}
	if v < 0 && v >= math.MinInt32 {
		v = int64(uint32(v))
	}
	if v < 0 || v > math.MaxInt64/1_000_000_000 {
		return 0, fmt.Errorf("%w: %d seconds", errTime, v)
	}
	return v * 1e9, nil
}

func parseFloatSeconds(b []byte) (int64, error) {
	var v float64
	if b[0] == 0xca {
		v = float64(math.Float32frombits(binary.BigEndian.Uint32(b[1:])))
	} else {
		v = math.Float64frombits(binary.BigEndian.Uint64(b[1:]))
	}
	if !(v >= 0 && v < math.MaxInt64/1e9) {
		return 0, fmt.Errorf("%w: %g seconds", errTime, v)
	}
	whole := math.Floor(v)
	return int64(whole)*1e9 + int64((v-whole)*1e9), nil
}

// eventTime reads seconds and nanoseconds of 32 bits each.
func eventTime(b []byte) int64 {
	return int64(binary.BigEndian.Uint32(b))*1e9 + int64(binary.BigEndian.Uint32(b[4:]))
}

// AppendEventTime appends a msgpack EventTime. Times outside 1970 to 2106 come
// out as the nearest one inside.
func AppendEventTime(dst []byte, unixNano int64) []byte {
	unixNano = min(max(unixNano, 0), math.MaxUint32*1e9+999_999_999)
	dst = append(dst, 0xd7, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(unixNano/1e9))
	return binary.BigEndian.AppendUint32(dst, uint32(unixNano%1e9))
}

// CountEntries counts the good entries.
func CountEntries(entries []byte) int {
	n := 0
	for it := NewIterator(entries); it.Next(); {
		n++
	}
	return n
}
