package spool

import (
	"strconv"
	"testing"
)

// BenchmarkAppendRead appends durable entries and reads them back.
func BenchmarkAppendRead(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10, 2 << 20} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			s, err := Open(Options{Dir: b.TempDir(), MaxBytes: 8 << 30})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			data := make([]byte, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := s.Append(data); err != nil {
					b.Fatal(err)
				}
				e, err := s.Next(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if err := s.Ack(e.Seq); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
