package forward

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Errors that decoding wraps.
var (
	// ErrShort says that the bytes end within a value.
	ErrShort = errors.New("value is cut short")
	// ErrMalformed says that the bytes are not what the protocol allows.
	ErrMalformed = errors.New("malformed")
	// ErrDepth says that arrays and maps are nested too deep.
	ErrDepth = errors.New("nested too deep")
	// ErrTooLong says that a limit on bytes was reached.
	ErrTooLong = errors.New("too long")
)

// MaxDepth is how deep arrays and maps may be nested in a record.
const MaxDepth = 64

// kind is the type of a msgpack value.
type kind uint8

const (
	kindNil kind = iota
	kindBool
	kindInt
	kindUint
	kindFloat
	kindString
	kindBinary
	kindArray
	kindMap
	kindExt
)

var kindNames = [...]string{"nil", "bool", "integer", "unsigned integer", "float", "string", "binary", "array", "map", "extension"}

func (k kind) String() string { return kindNames[k] }

// head is the first bytes of a value.
type head struct {
	kind kind
	size int // bytes of the head; of the whole value where n is 0
	n    int // payload bytes of a string, binary or extension; elements of an array; pairs of a map
}

// lead tells the kind of value that a first byte begins, the size of its head
// and the number of bytes behind the first one that hold its length.
func lead(b byte) (h head, lengthBytes int, err error) {
	switch {
	case b <= 0x7f:
		return head{kindUint, 1, 0}, 0, nil
	case b >= 0xe0:
		return head{kindInt, 1, 0}, 0, nil
	case b <= 0x8f:
		return head{kindMap, 1, int(b & 0x0f)}, 0, nil
	case b <= 0x9f:
		return head{kindArray, 1, int(b & 0x0f)}, 0, nil
	case b <= 0xbf:
		return head{kindString, 1, int(b & 0x1f)}, 0, nil
	}
	l := leads[b-0xc0]
	if l.head.size == 0 {
		return head{}, 0, fmt.Errorf("%w: byte 0x%x begins no value", ErrMalformed, b)
	}
	return l.head, l.lengthBytes, nil
}

// leads are the values that begin with 0xc0 to 0xdf.
var leads = [32]struct {
	head        head
	lengthBytes int
}{
	0x00: {head{kindNil, 1, 0}, 0},
	0x02: {head{kindBool, 1, 0}, 0}, 0x03: {head{kindBool, 1, 0}, 0},
	0x04: {head{kindBinary, 2, 0}, 1}, 0x05: {head{kindBinary, 3, 0}, 2}, 0x06: {head{kindBinary, 5, 0}, 4},
	0x07: {head{kindExt, 3, 0}, 1}, 0x08: {head{kindExt, 4, 0}, 2}, 0x09: {head{kindExt, 6, 0}, 4},
	0x0a: {head{kindFloat, 5, 0}, 0}, 0x0b: {head{kindFloat, 9, 0}, 0},
	0x0c: {head{kindUint, 2, 0}, 0}, 0x0d: {head{kindUint, 3, 0}, 0}, 0x0e: {head{kindUint, 5, 0}, 0}, 0x0f: {head{kindUint, 9, 0}, 0},
	0x10: {head{kindInt, 2, 0}, 0}, 0x11: {head{kindInt, 3, 0}, 0}, 0x12: {head{kindInt, 5, 0}, 0}, 0x13: {head{kindInt, 9, 0}, 0},
	0x14: {head{kindExt, 2, 1}, 0}, 0x15: {head{kindExt, 2, 2}, 0}, 0x16: {head{kindExt, 2, 4}, 0}, 0x17: {head{kindExt, 2, 8}, 0}, 0x18: {head{kindExt, 2, 16}, 0},
	0x19: {head{kindString, 2, 0}, 1}, 0x1a: {head{kindString, 3, 0}, 2}, 0x1b: {head{kindString, 5, 0}, 4},
	0x1c: {head{kindArray, 3, 0}, 2}, 0x1d: {head{kindArray, 5, 0}, 4},
	0x1e: {head{kindMap, 3, 0}, 2}, 0x1f: {head{kindMap, 5, 0}, 4},
}

// readHead reads the head at the beginning of b.
func readHead(b []byte) (head, error) {
	if len(b) == 0 {
		return head{}, ErrShort
	}
	h, lengthBytes, err := lead(b[0])
	if err != nil {
		return head{}, err
	}
	if len(b) < h.size {
		return head{}, ErrShort
	}
	switch lengthBytes {
	case 1:
		h.n = int(b[1])
	case 2:
		h.n = int(binary.BigEndian.Uint16(b[1:]))
	case 4:
		h.n = int(binary.BigEndian.Uint32(b[1:]))
	}
	return h, nil
}

// payload tells how many bytes follow the head and belong to it.
func (h head) payload() int {
	switch h.kind {
	case kindString, kindBinary, kindExt:
		return h.n
	}
	return 0
}

// children tells how many values follow that belong to an array or a map.
func (h head) children() int {
	switch h.kind {
	case kindArray:
		return h.n
	case kindMap:
		return 2 * h.n
	}
	return 0
}

// Skip returns what follows the first value of b. Errors wrap ErrShort,
// ErrMalformed or ErrDepth.
func Skip(b []byte) ([]byte, error) { return skip(b, MaxDepth) }

func skip(b []byte, depth int) ([]byte, error) {
	h, err := readHead(b)
	if err != nil {
		return nil, err
	}
	b = b[h.size:]
	if n := h.payload(); n > 0 {
		if n > len(b) {
			return nil, ErrShort
		}
		return b[n:], nil
	}
	children := h.children()
	if children == 0 {
		return b, nil
	}
	if depth == 0 {
		return nil, ErrDepth
	}
	if children > len(b) {
		return nil, ErrShort // each takes a byte at least
	}
	for range children {
		if b, err = skip(b, depth-1); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// ReadText reads a string or binary at the beginning of b; the text refers to b.
func ReadText(b []byte) (text, rest []byte, err error) {
	h, err := readHead(b)
	if err != nil {
		return nil, nil, err
	}
	if h.kind != kindString && h.kind != kindBinary {
		return nil, nil, fmt.Errorf("%w: %s where text is due", ErrMalformed, h.kind)
	}
	if h.n > len(b)-h.size {
		return nil, nil, ErrShort
	}
	return b[h.size : h.size+h.n], b[h.size+h.n:], nil
}

// IsText tells whether b begins with a string or binary.
func IsText(b []byte) bool { return kindIs(b, kindString) || kindIs(b, kindBinary) }

// IsMap tells whether b begins with a map.
func IsMap(b []byte) bool { return kindIs(b, kindMap) }

func kindIs(b []byte, k kind) bool {
	h, err := readHead(b)
	return err == nil && h.kind == k
}

// ReadMapHead reads the head of a map at the beginning of b.
func ReadMapHead(b []byte) (pairs int, rest []byte, err error) {
	return readContainer(b, kindMap)
}

func readArrayHead(b []byte) (elements int, rest []byte, err error) {
	return readContainer(b, kindArray)
}

func readContainer(b []byte, k kind) (int, []byte, error) {
	h, err := readHead(b)
	if err != nil {
		return 0, nil, err
	}
	if h.kind != k {
		return 0, nil, fmt.Errorf("%w: %s where a %s is due", ErrMalformed, h.kind, k)
	}
	return h.n, b[h.size:], nil
}

// readInt reads an integer; unsigned ones above the range of int64 are
// malformed.
func readInt(b []byte) (int64, error) {
	h, err := readHead(b)
	if err != nil {
		return 0, err
	}
	var v int64
	switch {
	case h.kind != kindInt && h.kind != kindUint:
		return 0, fmt.Errorf("%w: %s where an integer is due", ErrMalformed, h.kind)
	case h.size == 1:
		v = int64(int8(b[0]))
	case h.kind == kindUint:
		v = int64(bigEndian(b[1:h.size]))
		if v < 0 {
			return 0, fmt.Errorf("%w: integer over 63 bits", ErrMalformed)
		}
	default:
		bits := 8 * (h.size - 1)
		v = int64(bigEndian(b[1:h.size])) << (64 - bits) >> (64 - bits)
	}
	return v, nil
}

// bigEndian reads 1 to 8 bytes.
func bigEndian(b []byte) uint64 {
	var v uint64
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}
