package logs

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/collector/reading"
)

// history does random things to a container's log, and to the tailer.
type history struct {
	*rig
	random  *rand.Rand
	want    []string
	open    [2]string // the record of each stream whose last part is to come
	rotated []string
	n       int
}

var streamNames = [2]string{"stdout", "stderr"}

func (h *history) log() {
	stream := h.random.IntN(2)
	text := fmt.Sprintf("<record %d of %s>", h.n, streamNames[stream])
	h.n++
	if h.random.IntN(3) == 0 {
		h.write("0.log", cri(streamNames[stream], "P", text))
		h.open[stream] += text
		return
	}
	h.write("0.log", cri(streamNames[stream], "F", text))
	h.want = append(h.want, h.open[stream]+text)
	h.open[stream] = ""
}

func (h *history) rotate() {
	if _, err := statPath(h.path("0.log")); err != nil {
		return
	}
	name := fmt.Sprintf("0.log.20261124-%06d", h.n)
	h.n++
	h.rename("0.log", name)
	h.rotated = append(h.rotated, name)
}

func (h *history) pack() {
	if len(h.rotated) > 0 {
		i := h.random.IntN(len(h.rotated))
		pack(h.t, h.rig, h.rotated[i], h.rotated[i]+packedSuffix)
		h.rotated = slices.Delete(h.rotated, i, i+1)
	}
}

func (h *history) step() {
	switch dice := h.random.IntN(20); {
	case dice < 10:
		for range h.random.IntN(30) {
			h.log()
		}
	case dice < 12:
		h.rotate()
	case dice < 13:
		h.pack()
	default:
		h.tail()
	}
}

// tail lets the tailer do something.
func (h *history) tail() {
	switch dice := 13 + h.random.IntN(7); {
	case dice < 15:
		h.tailer.Poll()
	case dice < 17:
		h.poll()
	case dice < 18:
		h.pass(time.Duration(h.random.IntN(90)) * time.Second)
	case dice < 19:
		h.restart(h.random.IntN(2) == 0)
	default:
		h.spool.refuse = errFull
		h.poll()
		h.spool.refuse = nil
	}
}

// seeds are more with LUBBERLINE_SEEDS.
func seeds() uint64 {
	n, err := strconv.ParseUint(os.Getenv("LUBBERLINE_SEEDS"), 10, 64)
	if err != nil {
		return 40
	}
	return n
}

// TestHistories: whatever happens in whatever order, every record comes once.
func TestHistories(t *testing.T) {
	for seed := range seeds() {
		r := newRig(t, func(o *Options) { o.BlockBytes, o.ChunkBytes, o.FlushBytes = 1500, 4000, 8000 })
		h := &history{rig: r.follow("0.log", reading.CRI).start(), random: rand.New(rand.NewPCG(seed, 7))}
		for range 60 {
			h.step()
		}
		for s := range h.open {
			h.write("0.log", cri(streamNames[s], "F", "end"))
			h.want = append(h.want, h.open[s]+"end")
		}
		h.pass(2 * time.Minute).pass(2 * time.Minute).pass(2 * time.Minute)
		got := h.logs()
		slices.Sort(got)
		slices.Sort(h.want)
		require.Equal(t, h.want, got, "seed %d", seed)
		require.Zero(t, h.tailer.partialBytes)
		h.restart(true).poll()
		require.Len(t, h.logs(), len(h.want), "seed %d", seed)
		h.kill()
		require.Zero(t, h.tailer)
	}
}

// plainStep does random things to a plain file that logrotate keeps.
func (h *history) plainStep() {
	switch dice := h.random.IntN(20); {
	case dice < 9:
		for range h.random.IntN(30) {
			text := fmt.Sprintf("record %d", h.n)
			h.n++
			h.write("app.log", text+"\n")
			h.want = append(h.want, text)
		}
	case dice < 12:
		if _, err := statPath(h.path("app.log")); err != nil {
			return
		}
		name := fmt.Sprint("app.log.", h.n)
		h.n++
		h.rotated = append(h.rotated, name)
		if dice == 9 {
			h.rename("app.log", name)
			return
		}
		h.copy("app.log", name)
		if dice == 10 {
			h.poll()
		}
		h.truncate("app.log")
	case dice < 13:
		h.pack()
	default:
		h.tail()
	}
}

// TestPlainHistories: the same for a pattern, with copies.
func TestPlainHistories(t *testing.T) {
	for seed := range seeds() {
		r := newRig(t, func(o *Options) { o.BlockBytes, o.ChunkBytes, o.FlushBytes = 1500, 4000, 8000 }).match("app.log*")
		h := &history{rig: r.start(), random: rand.New(rand.NewPCG(seed, 8))}
		for range 60 {
			h.plainStep()
		}
		h.pass(2 * time.Minute).pass(2 * time.Minute).pass(2 * time.Minute)
		got := h.logs()
		slices.Sort(got)
		slices.Sort(h.want)
		require.Equal(t, h.want, got, "seed %d", seed)
		h.restart(true).poll()
		require.Len(t, h.logs(), len(h.want), "seed %d", seed)
		h.kill()
	}
}
