package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/peers"
)

const (
	crashContainers = 200
	crashLineRate   = 20_000 // lines a second
	crashFiles      = 20
	// longestLife is the most time between two kills. The time to get ready is
	// well below, and often longer than what a kill leaves of it.
	longestLife = 6 * time.Second
)

// victim is a program that is killed and started again.
type victim struct {
	*program
	api
	name string
	args []string
	// outages are from a kill to when the program was seen ready again; a kill
	// before that prolongs the last.
	outages []outage
	down    bool
	kills   int
}

func (v *victim) start() { v.program = start(v.api.t, v.name, v.args...) }

// look notes when the program is ready again.
func (v *victim) look() {
	v.alive()
	if !v.down {
		return
	}
	if status, _, err := v.get("/-/ready"); err == nil && status == 200 {
		v.down = false
		v.outages[len(v.outages)-1].to = time.Now()
	}
}

func (v *victim) crash() {
	v.kills++
	at := time.Now()
	v.kill9()
	if !v.down {
		v.outages, v.down = append(v.outages, outage{from: at}), true
	}
	v.start()
}

// killsEach is how often each program is killed: LUBBERLINE_KILLS, or ten times.
func killsEach(t *testing.T) int {
	t.Helper()
	text := os.Getenv("LUBBERLINE_KILLS")
	if text == "" {
		return 10
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "LUBBERLINE_KILLS")
	return n
}

// seed is that of the random moments: LUBBERLINE_SEED repeats a run.
func seed(t *testing.T) uint64 {
	t.Helper()
	s := uint64(time.Now().UnixNano())
	if text := os.Getenv("LUBBERLINE_SEED"); text != "" {
		var err error
		s, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, "LUBBERLINE_SEED")
	}
	t.Logf("LUBBERLINE_SEED=%d", s)
	return s
}

// pair is a collector and an aggregator, each a process of its own.
func pair(t *testing.T, dir string) (collector, aggregator *victim) {
	t.Helper()
	http, receive, shown, input := freeAddress(t), freeAddress(t), freeAddress(t), freeAddress(t)
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	aggregatorConfig := file("aggregator.yaml", fmt.Sprintf(`
data_dir: %s/a
aggregator: {http: %q, resolution: 1s, forward: {listen: %q}}
`, dir, http, receive))
	collectorConfig := file("collector.yaml", fmt.Sprintf(`
data_dir: %s/c
collector:
  interval: 1s
  http: %q
  forward: {listen: %q}
  remote_write: {url: "http://%s/api/v1/write"}
  log_output: {address: %q}
  logs: {containers: false, files: %s}
`, dir, shown, input, http, receive, lineFiles(filepath.Join(dir, "logs"))))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "logs"), 0o700))
	aggregator = &victim{api: api{t, "http://" + http}, name: "lubberline", args: []string{"aggregator", "--config", aggregatorConfig}}
	collector = &victim{api: api{t, "http://" + shown}, name: "lubberline-collector", args: []string{"--config", collectorConfig}}
	for _, v := range []*victim{aggregator, collector} {
		v.start()
		v.ready(v.program)
	}
	return collector, aggregator
}

// TestKillsLoseNothing kills collector and aggregator at random moments under
// load: each line is stored once, and samples are missing only where nobody was
// there to take them.
func TestKillsLoseNothing(t *testing.T) {
	peers.RequireReal(t)
	random := rand.New(rand.NewPCG(seed(t), 0))
	prefix := cgroups(t, crashContainers)
	dir := dataDir(t)
	collector, aggregator := pair(t, dir)
	begin := time.Now()
	lines := startLines(t, filepath.Join(dir, "logs"), fmt.Sprintf("crash%d", random.Uint32()), crashLineRate, crashFiles)

	victims := []*victim{collector, aggregator}
	watch := func(until time.Time) {
		for time.Now().Before(until) {
			collector.look()
			aggregator.look()
			time.Sleep(poll)
		}
	}
	for left := killsEach(t) * 2; left > 0; left-- {
		watch(time.Now().Add(time.Duration(random.Int64N(int64(longestLife)))))
		v := victims[random.IntN(2)]
		if v.kills == killsEach(t) {
			v = victims[0]
			if v.kills == killsEach(t) {
				v = victims[1]
			}
		}
		v.crash()
	}
	for _, v := range victims {
		v.eventually("it is ready after the last kill", func() error {
			if v.look(); v.down {
				return fmt.Errorf("%s is not ready", v.name)
			}
			return nil
		})
	}
	lines.finish(t)
	until := time.Now()
	t.Logf("%d lines in %s; collector away %v; aggregator away %v", lines.total(), until.Sub(begin), collector.outages, aggregator.outages)
	require.Equal(t, []int{killsEach(t), killsEach(t)}, []int{collector.kills, aggregator.kills})

	lines.expectOnce(aggregator.api, begin)
	aggregator.expectSamples(collector.api, prefix, crashContainers, begin.Add(5*time.Second), until, collector.outages)
}

// TestKillsOfUpLoseNothing is the same for both in one process.
func TestKillsOfUpLoseNothing(t *testing.T) {
	peers.RequireReal(t)
	random := rand.New(rand.NewPCG(seed(t), 0))
	dir := dataDir(t)
	prefix := cgroups(t, faultContainers)
	logs := filepath.Join(dir, "logs")
	require.NoError(t, os.Mkdir(logs, 0o700))
	m := up(t, dir, fmt.Sprintf("collector: {interval: 1s, logs: {containers: false, files: %s}}\n", lineFiles(logs)))
	begin := time.Now()
	lines := startLines(t, logs, fmt.Sprintf("upcrash%d", random.Uint32()), outageLineRate, 4)
	var outages []outage
	for range killsEach(t) / 2 {
		life := time.NewTimer(time.Duration(random.Int64N(int64(longestLife / 2))))
		<-life.C
		killed := time.Now()
		m.kill9()
		m.start()
		outages = append(outages, outage{killed, time.Now()})
	}
	lines.finish(t)
	until := time.Now()
	t.Logf("%d lines in %s; away %v", lines.total(), until.Sub(begin), outages)
	lines.expectOnce(m.api, begin)
	m.expectSamples(m.collector, prefix, faultContainers, begin.Add(5*time.Second), until, outages)
}
