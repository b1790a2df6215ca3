package rollup

import (
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// Sample is one stored sample, as the receiver offers it. Labels are the
// store's copy and stay valid; Ref names the series for as long as the process
// lives and is never used for another one.
type Sample struct {
	Ref    storage.SeriesRef
	Labels labels.Labels
	T      int64 // milliseconds since the epoch
	V      float64
}
