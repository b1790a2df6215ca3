package alerts

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/peers"
)

// standardRules is the part of an aggregator's configuration in which minutes of
// the shipped rules are seconds, and figures are made each second.
const standardRules = "    standard: true\n    speed: 60\n  resolution: 1s\n"

// TestTroubleOnTheWayFiresItsRules makes everything go wrong at once that can, on
// the way of samples and log lines from collectors to stores, sinks and people.
func TestTroubleOnTheWayFiresItsRules(t *testing.T) {
	peers.RequireReal(t)
	influx := peers.InfluxDB1(t)
	a, sinkDisk := aggregatorWithSink(t, influx)
	logs := newLogStore(t)
	blind := newBlindAggregator(t)
	busy := newBusyAggregator(t)

	a.collect("slow", slowLink(t, a.http), "")
	a.collect("second", a.http, "")
	falter(t, a.collect("faltering", a.http, "").Program, 3*time.Second, 2*time.Second)
	a.refuseSamples()
	a.leaveLogsUnread()
	a.shedLogs()
	logs.disk.fill()
	blind.disk.fill()
	await(t, []expected{
		{a, "CollectorLate", "Lubberline on slow gets samples that are "},
		{a, "CollectorMissesSamples", "Lubberline on faltering leaves out "},
		{a, "SamplesDropped", "Lubberline on refused has lost "},
		{a, "ShipperBacklog", "Lubberline on unread has entries waiting for "},
		{a, "ShipperDropped", "Lubberline on shedding has lost "},
		{a, "LogLinesLost", "Lubberline on unread has given up "},
		{a, "LogReaderLag", "Lubberline on unread has "},
		{a, "SinkRefused", "Lubberline on "},
		{a, "AlertRuleFails", "Lubberline on "},
		{a, "NotificationsFail", "Lubberline on "},
		{logs.aggregator, "StoreWritesFail", "Lubberline on "},
		{blind.aggregator, "StoreWritesFail", "Lubberline cannot store"},
	})
	await(t, []expected{{busy, "FiguresLate", "Lubberline on "}}) // alone: it answers seldom

	influx.Kill()
	a.awaitMetric("http://"+a.http, `lubberline_sink_spool_entries{sink="influxdb"}`)
	sinkDisk.fill()
	logs.damage()
	await(t, []expected{
		{a, "SinkBacklog", "Lubberline on "},
		{a, "SinkDropped", "Lubberline on "},
		{logs.aggregator, "StoreDamaged", "Lubberline on "},
	})
}

// aggregatorWithSink has an InfluxDB that refuses some figures and a small disk for
// what waits for it, a rule that cannot be evaluated where there is more than one
// collector, and a receiver that takes no messages.
func aggregatorWithSink(t *testing.T, influx *peers.InfluxDB) (*aggregator, *disk) {
	refuseNumbers(t, influx)
	hook := newWeb(t, func(int) (int, string) { return http.StatusInternalServerError, "no" })
	password := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(password, []byte(influx.Password), 0o600))
	a := configuredAggregator(t, hookOnly(hook), standardRules+
		fmt.Sprintf("  influxdb: {url: '%s', database: k8s, username: %s, password_file: '%s'}\n", influx.URL, influx.Username, password))
	a.write("rules/several.yaml", "groups:\n- name: several\n  rules:\n  - {alert: Several, expr: 'up * on (job) up > 0'}\n")
	disk := newDisk(t, filepath.Join(a.dir, "data/sinks/influxdb"), 64<<20)
	a.start()
	return a, disk
}

// refuseNumbers gives the field of a figure the type of text, in the measurement
// that the sink will write numbers to.
func refuseNumbers(t *testing.T, influx *peers.InfluxDB) {
	t.Helper()
	post := func(path string, form url.Values, body string) {
		form.Set("u", influx.Username)
		form.Set("p", influx.Password)
		answer, err := http.Post(influx.URL+path+"?"+form.Encode(), "text/plain", strings.NewReader(body))
		require.NoError(t, err)
		defer answer.Body.Close()
		require.Equal(t, 2, answer.StatusCode/100, "%s: %s", path, answer.Status)
	}
	post("/query", url.Values{"q": {`CREATE DATABASE k8s WITH NAME "default"`}}, "")
	post("/write", url.Values{"db": {"k8s"}}, `cpu/usage value="much"`)
}

// refuseSamples lets a proxy on a collector's way refuse its samples for a while,
// once it is known that none was refused before.
func (a *aggregator) refuseSamples() {
	link := newLink(a.t, a.http)
	c := a.collect("refused", link.address, "")
	a.awaitQuery(`lubberline_remotewrite_requests_dead_lettered_total{node="refused"}`)
	link.refuses.Store(true)
	a.awaitMetric(c.http, "lubberline_remotewrite_requests_dead_lettered_total")
	link.refuses.Store(false)
}

// leaveLogsUnread gives a collector no disk to keep log lines on, and rotates the
// log away while it cannot read it.
func (a *aggregator) leaveLogsUnread() {
	newDisk(a.t, filepath.Join(a.dir, "unread/spool/logs"), 1<<20)
	log := newPodLog(a.t, filepath.Join(a.dir, "unread-pods"), "web-1")
	c := a.collect("unread", a.http, logsTo(deaf(a.t), log))
	a.awaitQuery(`lubberline_logs_shed_bytes_total{node="unread"}`) // what comes now is growth
	for range 14 {
		log.write(32 << 20)
		log.awaitReader(c.PID())
		log.rotateAway()
	}
}

// shedLogs makes more log lines wait than a collector's spool may hold.
func (a *aggregator) shedLogs() {
	log := newPodLog(a.t, filepath.Join(a.dir, "shedding-pods"), "web-2")
	a.collect("shedding", a.http, logsTo(deaf(a.t), log))
	a.awaitQuery(`lubberline_spool_shed_entries_total{node="shedding",spool="logs"}`)
	log.write(64 << 20)
}

// storeOnDisk is an aggregator with a small disk for one of its stores.
type storeOnDisk struct {
	*aggregator
	disk *disk
}

func newStoreOnDisk(t *testing.T, store string, size int64) storeOnDisk {
	a := configuredAggregator(t, hookOnly(newWeb(t, nil)), standardRules)
	s := storeOnDisk{a, newDisk(t, filepath.Join(a.dir, "data", store), size)}
	a.start()
	return s
}

// newBlindAggregator has a disk for samples that is not full yet.
func newBlindAggregator(t *testing.T) storeOnDisk {
	s := newStoreOnDisk(t, "metrics", 64<<20)
	s.awaitQuery("lubberline_metricstore_commit_failures_total")
	return s
}

// newLogStore stores a log that goes on, on a disk that is not full yet.
func newLogStore(t *testing.T) storeOnDisk {
	s := newStoreOnDisk(t, "logs", 32<<20)
	log := newPodLog(t, filepath.Join(s.dir, "pods"), "web-3")
	log.goOn()
	s.collect("writes", s.http, logsTo(s.forward, log))
	s.awaitQuery(`sum(log_lines:count1m{namespace="shop"}) > 0`)
	return s
}

// damage stops the aggregator, changes bytes of its log store, and starts it again
// with room on its disk.
func (s storeOnDisk) damage() {
	s.t.Helper()
	require.NoError(s.t, s.Interrupt())
	s.disk.free()
	files, err := filepath.Glob(filepath.Join(s.disk.dir, "*.duckdb"))
	require.NoError(s.t, err)
	require.NotEmpty(s.t, files)
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(s.t, err)
		for i := range min(len(text), 1<<16) {
			text[i] ^= 0xff
		}
		require.NoError(s.t, os.WriteFile(path, text, 0o600))
	}
	s.start()
}

// newBusyAggregator stands still for most of the time, and goes on for so short
// that it makes the figures that are late, and none in time.
func newBusyAggregator(t *testing.T) *aggregator {
	a := newAggregator(t, hookOnly(newWeb(t, nil)), standardRules)
	a.awaitQuery("lubberline_rollup_lag_seconds")
	falter(t, a.Program, 8*time.Second, 700*time.Millisecond)
	return a
}
