package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// word is in every line that is made, and in no other record.
const word = "benchline"

// logFiles are files of CRI lines of 214 bytes on average, half of them with a
// JSON payload.
type logFiles struct {
	dir         string
	lines       int
	bytes       int64
	first, last time.Time
}

// writeLines makes so many files with so many MiB in all. The lines are a
// microsecond apart and end now.
func writeLines(dir string, files, mib int) (*logFiles, error) {
	l := &logFiles{dir: dir}
	each := int64(mib) << 20 / int64(files)
	l.first = time.Now().Add(-time.Duration(each/200) * time.Microsecond)
	for i := range files {
		if err := l.writeFile(filepath.Join(dir, fmt.Sprintf("%02d.log", i)), each); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *logFiles) writeFile(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	var line []byte
	at := l.first
	for n := 0; size > 0; n++ {
		line = appendLine(line[:0], at, n)
		at = at.Add(time.Microsecond)
		size -= int64(len(line))
		l.bytes += int64(len(line))
		l.lines++
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	if at.After(l.last) {
		l.last = at
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

var (
	paths    = []string{"/shop/basket/items", "/shop/checkout", "/api/v1/orders", "/static/app.css", "/api/v1/customers/search"}
	messages = []string{"connection pool has no free connection, waiting", "batch of records written to the warehouse", "cache refreshed from upstream", "retrying after a timeout of the payment service"}
)

func appendLine(b []byte, at time.Time, n int) []byte {
	b = at.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000000Z07:00")
	x := uint64(n) * 0x9e3779b97f4a7c15
	if n%2 == 0 {
		b = append(b, ` stdout F {"level":"info","msg":"request served `+word+`","path":"`...)
		b = append(b, paths[x>>40%uint64(len(paths))]...)
		b = append(b, `","status":200,"ms":`...)
		b = strconv.AppendUint(b, x>>32%800, 10)
		b = append(b, `,"client":"10.2.`...)
		b = strconv.AppendUint(b, x>>16&255, 10)
		b = append(b, '.')
		b = strconv.AppendUint(b, x>>24&255, 10)
		b = append(b, `","trace":"`...)
		b = strconv.AppendUint(b, x, 16)
		return append(b, "\",\"node\":\"worker-3\"}\n"...)
	}
	b = append(b, " stderr F worker "...)
	b = strconv.AppendInt(b, int64(n%16), 10)
	b = append(b, " WARN "+word+" "...)
	b = append(b, messages[x>>40%uint64(len(messages))]...)
	b = append(b, "; request "...)
	b = strconv.AppendUint(b, x, 16)
	b = append(b, " of session "...)
	b = strconv.AppendUint(b, x>>12, 36)
	b = append(b, " took "...)
	b = strconv.AppendUint(b, x>>32%9000, 10)
	return append(b, " ms in all, which is more than the budget that it has\n"...)
}
