package logstore

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

// metrics are the store's own figures.
type metrics struct {
	ownmetrics.Set

	records, duplicates, expired, future prometheus.Counter
	appendErrors, reopened, quarantined  prometheus.Counter
	ample, long                          prometheus.Counter
	checkpoints, checkpointErrors        prometheus.Counter
	deletedDays, deletedRecords, skipped prometheus.Counter
	appendSeconds, querySeconds          prometheus.Histogram
	bytes, days, subscribers             prometheus.GaugeFunc
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: "lubberline_logstore_" + name, Help: help})
}

func histogram(name, help string) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: "lubberline_logstore_" + name, Help: help,
		Buckets: prometheus.ExponentialBuckets(0.001, 4, 8)})
}

func gauge(name, help string, f func() float64) prometheus.GaugeFunc {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "lubberline_logstore_" + name, Help: help}, f)
}

// newMetrics registers the figures; a nil registerer keeps them private.
func newMetrics(r prometheus.Registerer, s *Store) (*metrics, error) {
	m := &metrics{
		records:          counter("records_total", "Log records committed."),
		duplicates:       counter("duplicate_records_total", "Log records of chunks that were already stored."),
		expired:          counter("expired_records_total", "Log records not stored because they are older than the retention."),
		future:           counter("future_records_total", "Log records stored under their time of arrival because theirs was over a day ahead."),
		appendErrors:     counter("append_errors_total", "Calls of Append that failed."),
		reopened:         counter("engine_restarts_total", "Starts of the engine after it had given up."),
		ample:            counter("ample_memory_total", "Statements that were run again with more memory."),
		long:             counter("long_records_total", "Log records whose text was too long for one row."),
		quarantined:      counter("quarantined_files_total", "Day files set aside because they could not be read."),
		checkpoints:      counter("checkpoints_total", "Write-ahead logs written into their day file."),
		checkpointErrors: counter("checkpoint_errors_total", "Failures to write a write-ahead log into its day file."),
		deletedDays:      counter("deleted_files_total", "Day files deleted by retention or size cap."),
		deletedRecords:   counter("deleted_records_total", "Log records of today deleted by the size cap."),
		skipped:          counter("subscriber_skipped_total", "Log records that slow followers missed."),
		appendSeconds:    histogram("append_seconds", "Time of one Append."),
		querySeconds:     histogram("query_seconds", "Time of one query."),
		bytes:            gauge("bytes", "Size of all day files with their write-ahead logs.", func() float64 { return float64(s.Bytes()) }),
		days:             gauge("files", "Day files.", func() float64 { return float64(len(s.listDays())) }),
		subscribers:      gauge("followers", "Subscriptions to new records.", func() float64 { return float64(s.subs.len()) }),
	}
	var err error
	m.Set, err = ownmetrics.Register(r, m.records, m.duplicates, m.expired, m.future, m.appendErrors, m.reopened, m.quarantined,
		m.ample, m.long, m.checkpoints, m.checkpointErrors, m.deletedDays, m.deletedRecords, m.skipped,
		m.appendSeconds, m.querySeconds, m.bytes, m.days, m.subscribers)
	if err != nil {
		return nil, fmt.Errorf("register log store metrics: %w", err)
	}
	return m, nil
}
