// Command faults maps a file and reads pages of it at random until it is ended:
// where its memory is limited to less than the file, most are read from the disk.
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

const (
	readers = 16
	// pause bounds what is asked of the disk: each reader is at it that often.
	pause = 4 * time.Millisecond
)

func main() {
	if err := read(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	pages, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map %s: %w", path, err)
	}
	if err := unix.Madvise(pages, unix.MADV_RANDOM); err != nil {
		return err
	}
	runtime.GOMAXPROCS(readers) // one that waits for a page keeps its processor
	var sums [readers]byte
	for i := range sums {
		go func() {
			for ; ; time.Sleep(pause) {
				sums[i] += pages[rand.IntN(len(pages))]
			}
		}()
	}
	select {}
}
