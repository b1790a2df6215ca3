package rules

import (
	"time"

	"github.com/lubberline/lubberline/catalog"
)

// pipelineRules watch the way of samples and log lines: collector, spools,
// stores, sinks.
func pipelineRules() []Rule {
	return append(collectorRules(), storeRules()...)
}

// grew is the growth over a time of counters that only grow when something is
// lost, summed by the labels.
func grew(by, window string, counters ...string) string {
	expr := ""
	for i, c := range counters {
		if i > 0 {
			expr += " or "
		}
		expr += "sum by (" + by + ") (increase(" + c + "[" + window + "]))"
	}
	return expr
}

func collectorRules() []Rule {
	const up = `up{job="collector"}`
	down := figure(catalog.Node, "uptime")
	down.Silence = true
	return []Rule{
		{
			Name: "CollectorDown", Of: Object{Kind: "The collector", Name: "{{ with $labels.node }}of {{ . }}{{ else }}of every node{{ end }}", Dashboard: dashboardOwn},
			Says: "sends nothing",
			Why:  "Nothing is known of that node's containers, and no other alert of them can fire.",
			Expr: `max by (node) (` + up + ` == 0) or (max by (node) (kube_node_info) or max by (node) (last_over_time(` + up + `[1h])))` +
				` unless on (node) max by (node) (last_over_time(` + up + `[2m])) or absent_over_time(` + up + `[1h])`,
			For: 3 * time.Minute, Severity: Critical, Heapster: down,
		},
		{
			Name: "CollectorLate", Of: itself, Says: "gets samples that are {value} old", Unit: catalog.Seconds,
			Why:  "Samples wait on the way, or the node's clock is behind: rates and alerts of that node come late.",
			Expr: `max by (node) (time() - node_time_seconds)`,
			When: above(60), For: 5 * time.Minute, Severity: Warning,
		},
		{
			Name: "CollectorMissesSamples", Of: itself, Says: "leaves out {value} of the samples", Unit: catalog.Ratio,
			Why:  "The machine is too busy to run the collector in time: graphs have gaps.",
			Expr: `sum by (node) (rate(lubberline_sampler_ticks_missed_total[10m])) / sum by (node) (rate(lubberline_sampler_ticks_missed_total[10m]) + rate(lubberline_sampler_ticks_total[10m]))`,
			When: above(0.05), For: 15 * time.Minute, Severity: Warning,
		},
		{
			Name: "ShipperBacklog", Of: itself, Says: "has entries waiting for {value} in the spool {{ $labels.spool }}", Unit: catalog.Seconds,
			Why:  "The receiver is away or too slow. Nothing is lost until the spool has its full size.",
			Expr: `max by (node, spool) (lubberline_spool_oldest_entry_age_seconds)`,
			When: above(300), For: 5 * time.Minute, Severity: Warning,
		},
		{
			Name: "ShipperDropped", Of: itself, Says: "has lost {value} entries of the spool {{ $labels.spool }} in 15 minutes",
			Why:  "The spool had its full size, or its disk was damaged: samples or log lines are gone.",
			Expr: grew("node, spool", "15m", "lubberline_spool_shed_entries_total") + " > 0 or " + grew("node, spool", "15m", "lubberline_spool_quarantined_entries_total"),
			When: above(0), Severity: Critical,
		},
		{
			Name: "SamplesDropped", Of: itself, Says: "has lost {value} requests full of samples in 15 minutes",
			Why:  "The collector's disk did not take them in time, or the receiver refuses them for good.",
			Expr: "sum by (node) (increase(lubberline_remotewrite_requests_dropped_total[15m]) + increase(lubberline_remotewrite_requests_dead_lettered_total[15m]))",
			When: above(0), Severity: Warning,
		},
		{
			Name: "LogLinesLost", Of: itself, Says: "has given up {value} of log files unread in 15 minutes", Unit: catalog.Bytes,
			Why:  "Files were rotated away faster than they could be read or shipped.",
			Expr: grew("node", "15m", "lubberline_logs_shed_bytes_total"),
			When: above(0), Severity: Warning,
		},
		{
			Name: "LogReaderLag", Of: itself, Says: "has {value} of log files still to read", Unit: catalog.Bytes,
			Why:  "Lines come late; when files are rotated before they are read, lines are lost.",
			Expr: `max by (node) (lubberline_logs_lag_bytes)`,
			When: above(256 << 20), For: 10 * time.Minute, Severity: Warning,
		},
	}
}

func storeRules() []Rule {
	return []Rule{
		{
			// A store of samples that takes nothing has no samples that say so: our own
			// are missing.
			Name: "StoreWritesFail", Of: itself, Says: "cannot store samples or log lines",
			Why: "Collectors keep what was not taken in their spools, as long as those have room.",
			Expr: grew("node", "5m", "lubberline_metricstore_commit_failures_total") + " > 0 or " + grew("node", "5m", "lubberline_logstore_append_errors_total") +
				" > 0 or absent_over_time(lubberline_metricstore_commit_failures_total[5m])",
			When: above(0), For: 5 * time.Minute, Severity: Critical,
		},
		{
			Name: "StoreDamaged", Of: itself, Says: "has set aside {value} damaged files of its stores",
			Why:  "What they held is not answered any more; the rest is.",
			Expr: `max by (node) (lubberline_metricstore_quarantined_total) > 0 or max by (node) (lubberline_logstore_quarantined_files_total)`,
			When: above(0), Severity: Warning,
		},
		{
			Name: "FiguresLate", Of: itself, Says: "makes its figures {value} after their time", Unit: catalog.Seconds,
			Why:  "Heapster's paths, kubectl top and the sinks show the past; the machine is too busy.",
			Expr: `max by (node) (lubberline_rollup_lag_seconds)`,
			When: above(30), For: 10 * time.Minute, Severity: Warning,
		},
		{
			Name: "SinkBacklog", Of: itself, Says: "has entries waiting for {value} for the sink {{ $labels.sink }}", Unit: catalog.Seconds,
			Why:  "InfluxDB or Elasticsearch is away or too slow. What waits is on disk.",
			Expr: `max by (node, sink) (lubberline_sink_oldest_age_seconds)`,
			When: above(600), For: 5 * time.Minute, Severity: Warning,
		},
		{
			Name: "SinkRefused", Of: itself, Says: "has set aside {value} points or documents that the sink {{ $labels.sink }} refuses",
			Why:  "The store will never take them: a field has another type there, or a limit is reached.",
			Expr: grew("node, sink", "15m", "lubberline_sink_dead_lettered_total"),
			When: above(0), Severity: Warning,
		},
		{
			Name: "SinkDropped", Of: itself, Says: "has dropped {value} batches for the sink {{ $labels.sink }} in 15 minutes",
			Why:  "The sink's own spool is full or cannot keep up; InfluxDB or Elasticsearch lacks those figures, the embedded store has them.",
			Expr: grew("node, sink", "15m", "lubberline_rollup_sink_dropped_total") + " > 0 or " + grew("node, sink", "15m", "lubberline_rollup_sink_failures_total"),
			When: above(0), Severity: Warning,
		},
	}
}
