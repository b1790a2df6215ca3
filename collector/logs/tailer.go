package logs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/lubberline/lubberline/collector/chunk"
	"github.com/lubberline/lubberline/collector/logs/parse"
	"github.com/lubberline/lubberline/collector/logs/position"
	"github.com/lubberline/lubberline/collector/reading"
)

// Tailer reads log files into the spool. Add and Remove may be called from any
// goroutine; Poll, Run and Close from one, which does all of the work.
type Tailer struct {
	options Options
	log     *slog.Logger
	metrics *metrics

	changesMu sync.Mutex
	changes   []change
	kick      chan struct{} // holds one token when there may be something new

	groups   []*group
	byID     map[string]*group
	patterns []*patternScan
	owners   map[fileID]*group
	live     map[contentKey]*file
	past     []chunk.Position // contents that are read no more
	next     int              // index of the group that has the first turn

	now       time.Time // of this poll
	nowNanos  int64
	lastSeen  int64
	turn      turn
	parsed    parse.Line
	cri       parse.CRI
	docker    parse.Docker
	openFiles int

	block      []byte // what is read at once
	readTo     int64  // end of the last block in its file
	headBuf    [position.HeadBytes]byte
	compareBuf []byte

	partialBytes int
	buffered     int // bytes of entries not yet handed to the spool
	buffers      buffers
	out          outbox
	saved        time.Time
	pruned       time.Time

	watch      *watcher // nil where the kernel has no inotify for us
	complaints map[string]*rate.Sometimes
}

// change is an Add, or a Remove when source is nil.
type change struct {
	id     string
	source *Source
}

// New makes a Tailer and recovers its positions from the spool. Close frees it.
func New(o Options) (*Tailer, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	if err := o.Positions.Recover(o.Spool.Scan); err != nil {
		return nil, err
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, fmt.Errorf("log tailer: register metrics: %w", err)
	}
	t := &Tailer{
		options: o, log: o.Logger, metrics: m,
		kick:       make(chan struct{}, 1),
		byID:       make(map[string]*group),
		owners:     make(map[fileID]*group),
		live:       make(map[contentKey]*file),
		block:      make([]byte, max(o.BlockBytes, 4*position.TailBytes)),
		compareBuf: make([]byte, 64<<10),
		complaints: newComplaints(),
	}
	for _, p := range o.Positions.Select(func(*chunk.Position) bool { return true }) {
		t.lastSeen = max(t.lastSeen, p.Seen)
	}
	for _, p := range o.Patterns {
		t.patterns = append(t.patterns, &patternScan{Pattern: p})
	}
	if t.watch, err = newWatcher(t.kick); err != nil {
		t.log.Warn("cannot watch log directories, listing them instead", "error", err)
		t.watch = nil
	}
	return t, nil
}

// Add begins to read a source, or changes the metadata of one that is read.
func (t *Tailer) Add(s Source) error {
	if s.ID == "" || s.Path == "" {
		return errors.New("log source without an id or a path")
	}
	if err := checkFormat(s.Format); err != nil {
		return fmt.Errorf("log source %s: %w", s.ID, err)
	}
	t.change(change{s.ID, &s})
	return nil
}

// Remove ends a source once its files are read and quiet.
func (t *Tailer) Remove(id string) { t.change(change{id: id}) }

func (t *Tailer) change(c change) {
	t.changesMu.Lock()
	t.changes = append(t.changes, c)
	t.changesMu.Unlock()
	select {
	case t.kick <- struct{}{}:
	default:
	}
}

func (t *Tailer) applyChanges() {
	t.changesMu.Lock()
	changes := t.changes
	t.changes = nil
	t.changesMu.Unlock()
	for _, c := range changes {
		g := t.byID[c.id]
		switch {
		case c.source == nil && g != nil && !g.removed:
			g.removed, g.removedAt = true, t.now
		case c.source != nil && (g == nil || g.ended):
			g = t.newGroup(*c.source)
			t.byID[c.id] = g
			t.groups = append(t.groups, g)
		case c.source != nil:
			t.update(g, *c.source)
		}
	}
}

func (t *Tailer) newGroup(s Source) *group {
	g := &group{source: s, common: AppendCommon(nil, &s.Meta), scanDue: true}
	switch s.Format {
	case reading.DockerJSON:
		g.parse = t.docker.Parse
	case reading.CRI:
		g.parse = t.cri.Parse
	default:
		g.parse = plain
	}
	return g
}

// update gives a source new metadata, from the next record on.
func (t *Tailer) update(g *group, s Source) {
	t.seal(g)
	fresh := t.newGroup(s)
	if s.Path != g.source.Path {
		g.scanDue = true
	}
	g.source, g.common, g.parse, g.removed = s, fresh.common, fresh.parse, false
}

// Run polls until ctx ends; then it writes what has been read, and its
// positions.
func (t *Tailer) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return t.finishRun()
		case <-timer.C:
		case <-t.kick:
		}
		wait := t.options.FlushInterval
		if t.Poll() {
			wait = 0
		}
		timer.Reset(wait)
	}
}

func (t *Tailer) finishRun() error {
	t.flush()
	return t.options.Positions.Save()
}

// Poll looks at all files once, reads at most a block from each source, and
// hands what it read to the spool. It returns whether there is more to read
// now. A spool that refuses stops the reading and moves no position; files are
// still found and opened, so that rotation loses none.
func (t *Tailer) Poll() bool {
	t.setNow()
	t.applyChanges()
	t.takeWatched()
	for _, p := range t.patterns {
		t.scanPattern(p)
	}
	for _, g := range t.groups {
		t.scanIfDue(g)
	}
	more := false
	if t.deliver() {
		more = t.readAll()
		t.flush()
	} else {
		for _, g := range t.groups {
			t.shedOldest(g)
		}
	}
	t.dropEnded()
	t.housekeeping()
	return more
}

func (t *Tailer) setNow() {
	t.now = t.options.now()
	t.nowNanos = t.now.UnixNano()
}

// nextSeen is the current time, but never the same twice, whatever the clock
// does.
func (t *Tailer) nextSeen() int64 {
	t.lastSeen = max(t.lastSeen+1, t.nowNanos)
	return t.lastSeen
}

// readAll gives every source a turn, beginning with another one each time.
func (t *Tailer) readAll() bool {
	more := false
	for i := range t.groups {
		g := t.groups[(t.next+i)%len(t.groups)]
		t.turnOf(g)
		t.retire(g)
		t.countTurn()
		more = more || g.busy
		if len(g.entries) >= t.options.ChunkBytes {
			t.seal(g)
		}
		if t.buffered >= t.options.FlushBytes && !t.flush() {
			return false
		}
	}
	if len(t.groups) > 0 {
		t.next = (t.next + 1) % len(t.groups)
	}
	return more
}

func (t *Tailer) countTurn() {
	c := &t.turn
	if *c == (turn{}) {
		return
	}
	t.metrics.lines.Add(float64(c.lines))
	t.metrics.bytes.Add(float64(c.bytes))
	t.metrics.badLines.Add(float64(c.bad))
	t.metrics.joined.Add(float64(c.joined))
	t.metrics.split.Add(float64(c.split))
	t.metrics.dropped.Add(float64(c.dropped))
	*c = turn{}
}

// Close lets go of all files. What was not handed to the spool is read again
// after the next start.
func (t *Tailer) Close() error {
	for _, g := range t.groups {
		for _, f := range g.files {
			t.closeFile(f)
		}
	}
	t.groups = nil
	if t.watch != nil {
		return t.watch.close()
	}
	return nil
}
