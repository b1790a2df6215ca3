package remotewrite

import (
	"fmt"
	"net/http"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/storage"
)

// appendHistogram stores a native histogram. They are rare, so the generated
// decoder does.
func (w *write) appendHistogram(ref storage.SeriesRef, l labels.Labels, raw []byte) (storage.SeriesRef, error) {
	t, h, fh, err := decodeHistogram(w.version, raw)
	if err != nil {
		return ref, fail(http.StatusBadRequest, "histogram of %s: %w", l, err)
	}
	if t > w.maxTime {
		w.h.metrics.dropped[tooNew].Inc()
		return ref, nil
	}
	got, err := w.app.AppendHistogram(ref, l, t, h, fh)
	if err != nil {
		return ref, w.drop(err)
	}
	w.written.histograms++
	return got, nil
}

// decodeHistogram returns an integer or a float histogram, and its time.
func decodeHistogram(version protocol, raw []byte) (int64, *histogram.Histogram, *histogram.FloatHistogram, error) {
	var message interface {
		Unmarshal([]byte) error
		IsFloatHistogram() bool
		ToIntHistogram() *histogram.Histogram
		ToFloatHistogram() *histogram.FloatHistogram
		GetTimestamp() int64
	} = new(prompb.Histogram)
	if version == v2 {
		message = new(writev2.Histogram)
	}
	if err := message.Unmarshal(raw); err != nil {
		return 0, nil, nil, err
	}
	if message.IsFloatHistogram() {
		fh := message.ToFloatHistogram()
		if err := fh.Validate(); err != nil {
			return 0, nil, nil, fmt.Errorf("float histogram: %w", err)
		}
		return message.GetTimestamp(), nil, fh, nil
	}
	h := message.ToIntHistogram()
	if err := h.Validate(); err != nil {
		return 0, nil, nil, fmt.Errorf("integer histogram: %w", err)
	}
	return message.GetTimestamp(), h, nil, nil
}
