package logs

import "github.com/prometheus/client_golang/prometheus"

// metrics are the package's own. Counters rise by turns, not by lines.
type metrics struct {
	lines, bytes, badLines, joined, split, dropped   prometheus.Counter
	rotations, truncations, copies                   prometheus.Counter
	unreadAtDeletion, shedBytes, shedFiles           prometheus.Counter
	chunks, appendErrors, checkpointErrors, readErrs prometheus.Counter
	sources, files, held, lag                        prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	var all []prometheus.Collector
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "lubberline_logs_" + name, Help: help})
		all = append(all, c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "lubberline_logs_" + name, Help: help})
		all = append(all, g)
		return g
	}
	m := &metrics{
		lines:            counter("lines_total", "Lines read from log files."),
		bytes:            counter("bytes_total", "Bytes read from log files."),
		badLines:         counter("parse_errors_total", "Lines not of their file's format; they are kept as plain text."),
		joined:           counter("partials_joined_total", "Parts that were joined to a longer record."),
		split:            counter("split_records_total", "Records that were split because they were too long or waited too long."),
		dropped:          counter("stage_dropped_total", "Records that the stage dropped."),
		rotations:        counter("rotations_total", "Files that took another's place."),
		truncations:      counter("truncations_total", "Files that were truncated or written anew."),
		copies:           counter("copies_total", "Files known as copies of others, compressed ones included."),
		unreadAtDeletion: counter("unread_bytes_at_deletion_total", "Bytes not yet read when their file was deleted; they are read while it is held."),
		shedBytes:        counter("shed_bytes_total", "Bytes given up unread."),
		shedFiles:        counter("shed_files_total", "Files given up with bytes unread."),
		chunks:           counter("chunks_total", "Chunks written to the spool."),
		appendErrors:     counter("spool_errors_total", "Failed attempts to write chunks to the spool."),
		checkpointErrors: counter("checkpoint_errors_total", "Failed attempts to write the positions."),
		readErrs:         counter("read_errors_total", "Failed attempts to list, open or read log files."),
		sources:          gauge("sources", "Sources being read."),
		files:            gauge("files_open", "Log files open."),
		held:             gauge("held_generations", "Open files that were deleted or renamed out of sight."),
		lag:              gauge("lag_bytes", "Bytes in log files that are not read yet."),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range all {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}
