package dashboards

import "github.com/lubberline/lubberline/dashboards/model"

// itself is Lubberline's own page: does it keep up, what waits, what was lost,
// and what does it cost.
func itself() *model.Dashboard {
	per := func(metric, label string) model.Target {
		return line("{{instance}} {{"+label+"}}", sum(metric, by("instance", label)))
	}
	each := func(kind, metric string) model.Target {
		return line(kind+", {{instance}}", rate(metric, by("instance")))
	}
	level := func(kind, metric string) model.Target {
		return line(kind+", {{instance}}", sum(metric, by("instance")))
	}
	const noSink = "figures and records go to no other store"
	return &model.Dashboard{
		Name: "lubberline", Title: "Lubberline", Description: "Whether Lubberline itself keeps up, what waits in its spools, what it had to drop, and what it costs.",
		Links: []string{"cluster", "node", "logs"},
		Rows: []model.Row{
			row("Lag",
				help("How long after its end a window was rolled up, and how old the oldest sample is that the collector could not deliver.", graph("Figures", level("after the end of their window", "lubberline_rollup_lag_seconds"), level("samples not delivered", "lubberline_remotewrite_lag_seconds"))),
				help("Age of the oldest record that was sent and not acknowledged.", graph("Records not acknowledged", per("lubberline_forwardship_lag_seconds", "output"))),
				help("Bytes of log files that were written and not read yet.", graph("Log files not read", level("unread", "lubberline_logs_lag_bytes"))),
				help("How long after its time containers were read.", graph("Sampler late", level("late", "lubberline_sampler_tick_lateness_seconds")))),
			row("Spools",
				help("What waits on disk because its receiver is away, and the most that may.", graph("Spools by size", per("lubberline_spool_bytes", "spool"), limit("most, {{instance}} {{spool}}", sum("lubberline_spool_max_bytes", by("instance", "spool"))))),
				help("Age of what has waited longest.", graph("Oldest entry of each spool", per("lubberline_spool_oldest_entry_age_seconds", "spool"))),
				empty(noSink, graph("Sinks: what waits", per("lubberline_sink_spool_bytes", "sink"))),
				empty(noSink, graph("Sinks: oldest entry", per("lubberline_sink_oldest_age_seconds", "sink")))),
			row("Dropped and failed",
				help("Times that containers were not read in time, per second.", graph("Points of the grid missed", each("missed", "lubberline_sampler_ticks_missed_total"))),
				help("Samples refused or dropped per second, by reason.", graph("Samples not stored", line("{{reason}}", rate("lubberline_remotewrite_samples_dropped_total", by("reason"))))),
				help("Entries per second that gave way to newer ones.", graph("Spools that were full", line("{{instance}} {{spool}}", rate("lubberline_spool_shed_entries_total", by("instance", "spool"))))),
				empty(noSink, help("Entries per second that a sink refuses whatever is done.", graph("Refused for good", line("{{sink}}", rate("lubberline_sink_dead_lettered_total", by("sink")))))),
				help("Bytes of log files per second that were gone before they could be read.", graph("Log bytes given up", each("given up", "lubberline_logs_shed_bytes_total"))),
				unit(model.PerSecond, help("Writes to the stores that failed, per second.", graph("Failures to store", each("figures", "lubberline_metricstore_commit_failures_total"), each("records", "lubberline_logstore_append_errors_total"))))),
			row("Work",
				unit(model.PerSecond, graph("Samples stored", each("samples", "lubberline_remotewrite_samples_total"))),
				unit(model.PerSecond, graph("Log records stored", each("records", "lubberline_logstore_records_total"))),
				graph("Log store", level("size", "lubberline_logstore_bytes")),
				help("Control groups that the collector reads at each point of time.", graph("Cgroups read", level("cgroups", "lubberline_sampler_containers")))),
			row("Cost",
				unit(model.Cores, graph("CPU", line("{{job}} {{instance}}", rate("process_cpu_seconds_total", by("job", "instance"))))),
				unit(model.Bytes, graph("Memory", line("{{job}} {{instance}}", sum("process_resident_memory_bytes", by("job", "instance"))))),
				unit(model.Share, help("Share of one core's time that passes while containers are read.", graph("Time spent on reading containers", line("{{instance}}", rate("lubberline_sampler_tick_duration_seconds_sum", by("instance")))))),
				graph("Open files", line("{{job}} {{instance}}", sum("process_open_fds", by("job", "instance"))))),
		},
	}
}
