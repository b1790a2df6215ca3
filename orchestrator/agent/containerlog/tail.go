package containerlog

import (
	"bytes"
	"io"
	"os"
)

// tailBlock is how much of a file is read at once from its end.
const tailBlock = 64 << 10

// tailOffset returns where the last n lines begin. A line that is not ended
// yet counts as one.
func tailOffset(f *os.File, n int64) (int64, error) {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || n < 0 {
		return 0, err
	}
	if n == 0 {
		return end, nil
	}
	buf := make([]byte, tailBlock)
	for at := end; at > 0; {
		size := min(at, tailBlock)
		at -= size
		block := buf[:size]
		if _, err := f.ReadAt(block, at); err != nil {
			return 0, err
		}
		if at+size == end {
			block = bytes.TrimSuffix(block, []byte("\n")) // the last line's own
		}
		for i := bytes.LastIndexByte(block, '\n'); i >= 0; i = bytes.LastIndexByte(block[:i], '\n') {
			if n--; n == 0 {
				return at + int64(i) + 1, nil
			}
		}
	}
	return 0, nil
}
