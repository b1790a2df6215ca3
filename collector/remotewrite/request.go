package remotewrite

import (
	"encoding/binary"
	"math"

	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/collector/series"
)

// The wire types of protobuf that are used.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
)

func appendTag(b []byte, field, wire uint64) []byte { return appendVarint(b, field<<3|wire) }

func appendVarint(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

func sizeVarint(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

// request is one remote write 2.0 request in the making.
type request struct {
	symbols symbols
	series  []byte // the encoded time series
	count   int    // of samples

	number  uint64       // of the request; never 0
	metrics []metricRefs // by metric
	refs    []byte       // scratch: the label references of one series
}

func newRequest(metrics int) *request {
	return &request{symbols: newSymbols(), number: 1, metrics: make([]metricRefs, metrics)}
}

func (r *request) reset() {
	r.symbols.reset()
	r.series = r.series[:0]
	r.count = 0
	r.number++
}

// encode appends the whole request to dst.
func (r *request) encode(dst []byte) []byte {
	dst = append(dst, r.symbols.encoded...)
	return append(dst, r.series...)
}

// pair is one label with its references in the current request.
type pair struct {
	name             string
	nameRef, textRef uint32
}

// pairs appends labels with their references.
func (r *request) pairs(dst []pair, labels []series.Label) []pair {
	for _, l := range labels {
		dst = append(dst, pair{l.Name, r.symbols.ref(l.Name), r.symbols.ref(l.Value)})
	}
	return dst
}

// appendPairs encodes the references of two label lists that are sorted by
// name, as one sorted list.
func appendPairs(b []byte, base, more []pair) []byte {
	for len(base)+len(more) > 0 {
		p := &base
		if len(base) == 0 || len(more) > 0 && more[0].name < base[0].name {
			p = &more
		}
		b = appendVarint(b, uint64((*p)[0].nameRef))
		b = appendVarint(b, uint64((*p)[0].textRef))
		*p = (*p)[1:]
	}
	return b
}

// startSeries begins the label references of a series: those of its name.
func (r *request) startSeries(m *metricRefs) {
	r.refs = append(r.refs[:0], refName)
	r.refs = appendVarint(r.refs, uint64(m.name))
}

// endSeries writes the series whose references are in r.refs, with one sample.
func (r *request) endSeries(m *metricRefs, value float64, millis int64) {
	sample := 1 + 8 + 1 + sizeVarint(uint64(millis))
	metadata := 2 + 1 + sizeVarint(uint64(m.help)) + 1 + sizeVarint(uint64(m.unit))
	size := 1 + sizeVarint(uint64(len(r.refs))) + len(r.refs) + 1 + sizeVarint(uint64(sample)) + sample + 1 + sizeVarint(uint64(metadata)) + metadata

	b := appendTag(r.series, fieldTimeSeries, wireBytes)
	b = appendVarint(b, uint64(size))
	b = appendTag(b, fieldLabelRefs, wireBytes)
	b = appendVarint(b, uint64(len(r.refs)))
	b = append(b, r.refs...)

	b = appendTag(b, fieldSamples, wireBytes)
	b = appendVarint(b, uint64(sample))
	b = appendTag(b, fieldSampleValue, wireFixed64)
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(value))
	b = appendTag(b, fieldSampleTime, wireVarint)
	b = appendVarint(b, uint64(millis))

	b = appendTag(b, fieldMetadata, wireBytes)
	b = appendVarint(b, uint64(metadata))
	b = appendTag(b, fieldMetadataType, wireVarint)
	b = append(b, m.kind)
	b = appendTag(b, fieldMetadataHelp, wireVarint)
	b = appendVarint(b, uint64(m.help))
	b = appendTag(b, fieldMetadataUnit, wireVarint)
	r.series = appendVarint(b, uint64(m.unit))
	r.count++
}

// staleNaN marks the end of a series. Its bits are part of Prometheus's data
// model; any other NaN is an ordinary value.
var staleNaN = math.Float64frombits(0x7ff0000000000002)

// upMetric is 1 at each tick, as a scrape would write it.
var upMetric = catalog.Metric{Name: "up", Kind: catalog.Gauge, Help: "1 while the collector ships samples."}
