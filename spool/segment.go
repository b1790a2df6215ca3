package spool

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A segment is a header of 32 bytes and entries behind it; all numbers are
// little-endian.
//
//	0   magic "lbspool1"
//	8   sequence number of its first entry
//	16  last sequence number before this segment
//	24  CRC-32C of bytes 0..24
//	28  zero
//
// An entry is a header of 24 bytes and the data.
//
//	0   length of the data
//	4   CRC-32C of bytes 0..4, bytes 8..24 and the data
//	8   sequence number; one more than the entry before it
//	16  time of the append, nanoseconds since the epoch
const (
	segmentMagic       = "lbspool1"
	segmentHeaderBytes = 32
	entryHeaderBytes   = 24
	segmentSuffix      = ".spool"
	quarantineSuffix   = ".quarantined"
)

// segment is one file. Spool.mu guards all but name and first.
type segment struct {
	name  string
	first uint64
	last  uint64 // last readable entry; first-1 when there is none
	size  int64  // bytes of header and readable entries
	bad   bool   // has a corrupt part: is renamed where it would be removed
}

func segmentName(dir string, first uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d%s", first, segmentSuffix))
}

// listSegments finds the segments by name, in order.
func listSegments(dir string) ([]*segment, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list spool: %w", err)
	}
	var segments []*segment
	for _, f := range files {
		digits, ok := strings.CutSuffix(f.Name(), segmentSuffix)
		if !ok || len(digits) != 20 {
			continue
		}
		first, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || first == 0 {
			continue
		}
		segments = append(segments, &segment{name: filepath.Join(dir, f.Name()), first: first, last: first - 1})
	}
	return segments, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func encodeSegmentHeader(first, previousLast uint64) []byte {
	b := make([]byte, segmentHeaderBytes)
	copy(b, segmentMagic)
	binary.LittleEndian.PutUint64(b[8:], first)
	binary.LittleEndian.PutUint64(b[16:], previousLast)
	binary.LittleEndian.PutUint32(b[24:], crc32.Checksum(b[:24], castagnoli))
	return b
}

// decodeSegmentHeader returns the last sequence number before the segment.
func decodeSegmentHeader(b []byte, first uint64) (uint64, error) {
	if len(b) < segmentHeaderBytes || string(b[:8]) != segmentMagic {
		return 0, fmt.Errorf("%w: not a segment", errCorrupt)
	}
	if binary.LittleEndian.Uint32(b[24:]) != crc32.Checksum(b[:24], castagnoli) {
		return 0, fmt.Errorf("%w: segment header's checksum", errCorrupt)
	}
	if got := binary.LittleEndian.Uint64(b[8:]); got != first {
		return 0, fmt.Errorf("%w: segment says that it begins at %d", errCorrupt, got)
	}
	return binary.LittleEndian.Uint64(b[16:]), nil
}

type entryHeader struct {
	length   uint32
	checksum uint32
	seq      uint64
	nanos    int64
}

func decodeEntryHeader(b []byte) entryHeader {
	return entryHeader{
		length:   binary.LittleEndian.Uint32(b),
		checksum: binary.LittleEndian.Uint32(b[4:]),
		seq:      binary.LittleEndian.Uint64(b[8:]),
		nanos:    int64(binary.LittleEndian.Uint64(b[16:])),
	}
}

// putEntryHeader fills b, which is entryHeaderBytes long.
func putEntryHeader(b []byte, seq uint64, nanos int64, data []byte) {
	binary.LittleEndian.PutUint32(b, uint32(len(data)))
	binary.LittleEndian.PutUint64(b[8:], seq)
	binary.LittleEndian.PutUint64(b[16:], uint64(nanos))
	binary.LittleEndian.PutUint32(b[4:], entryChecksum(b, data))
}

func entryChecksum(header, data []byte) uint32 {
	sum := crc32.Update(0, castagnoli, header[:4])
	sum = crc32.Update(sum, castagnoli, header[8:entryHeaderBytes])
	return crc32.Update(sum, castagnoli, data)
}
