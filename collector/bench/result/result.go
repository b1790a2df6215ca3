// Package result is what a measured program tells of itself.
package result

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Result is one measurement of one program.
type Result struct {
	CPU     time.Duration // used in Wall
	Wall    time.Duration
	Samples uint64 // container-samples taken
	RSS     uint64 // bytes, at the end
	Files   int    // open descriptors
	// Spacing is how far the time between the ends of two successive ticks was
	// from the interval, at worst since the start; of ours only.
	Spacing time.Duration
	// Scrape is the CPU time of one scrape of /metrics, and its size; not of the
	// floor.
	Scrape      time.Duration
	ScrapeBytes int
}

// windows is how many parts a measurement has.
const windows = 5

// Measure lets the program settle, then measures it for a time in several parts
// and returns the part whose cost per sample is the median: what else happens on
// the machine, such as containers that come and go, disturbs one part or two.
// samples counts the container-samples so far.
func Measure(ctx context.Context, settle, d time.Duration, samples func() uint64) (r Result, err error) {
	if err := wait(ctx, settle); err != nil {
		return r, err
	}
	var parts []Result
	for range windows {
		start, used, taken := time.Now(), cpu(), samples()
		if err := wait(ctx, d/windows); err != nil {
			return r, err
		}
		parts = append(parts, Result{Wall: time.Since(start), CPU: cpu() - used, Samples: samples() - taken})
	}
	slices.SortFunc(parts, func(a, b Result) int { return cmp.Compare(a.perSample(), b.perSample()) })
	r = parts[windows/2]
	r.RSS = rss()
	entries, err := os.ReadDir("/proc/self/fd")
	r.Files = len(entries)
	return r, err
}

func (r Result) perSample() float64 { return r.CPU.Seconds() / float64(max(r.Samples, 1)) }

// Scrape measures GET /metrics on a handler, each time after a new sample. The
// process goes on sampling meanwhile, which is little beside it.
func Scrape(ctx context.Context, h http.Handler) (each time.Duration, size int) {
	const times = 5
	for range times {
		if wait(ctx, time.Second) != nil {
			return 0, 0
		}
		answer := httptest.NewRecorder()
		before := cpu()
		h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		each += cpu() - before
		size = answer.Body.Len()
	}
	return each / times, size
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func rss() (bytes uint64) {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if n, err := fmt.Sscanf(line, "VmRSS: %d kB", &bytes); err == nil && n == 1 {
			return bytes << 10
		}
	}
	return 0
}
