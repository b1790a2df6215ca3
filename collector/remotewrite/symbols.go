package remotewrite

import "github.com/lubberline/lubberline/catalog"

// Field numbers of io.prometheus.write.v2.Request and what is in it.
const (
	fieldSymbols    = 4
	fieldTimeSeries = 5

	fieldLabelRefs = 1
	fieldSamples   = 2
	fieldMetadata  = 5

	fieldSampleValue = 1
	fieldSampleTime  = 2

	fieldMetadataType = 1
	fieldMetadataHelp = 3
	fieldMetadataUnit = 4
)

// The metric types of io.prometheus.write.v2.Metadata.
const (
	typeUnspecified = 0
	typeCounter     = 1
	typeGauge       = 2
)

// symbols is the string table of one request. References count from the empty
// string at 0.
type symbols struct {
	refs    map[string]uint32
	encoded []byte // as fields of the request
}

func newSymbols() symbols {
	s := symbols{refs: make(map[string]uint32)}
	s.reset()
	return s
}

func (s *symbols) reset() {
	clear(s.refs)
	s.encoded = s.encoded[:0]
	s.ref("")
	s.ref("__name__")
}

// refName is the reference of "__name__" in every request.
const refName = 1

// ref returns the reference of a string, added when it is new.
func (s *symbols) ref(text string) uint32 {
	if ref, ok := s.refs[text]; ok {
		return ref
	}
	ref := uint32(len(s.refs))
	s.refs[text] = ref
	s.encoded = appendTag(s.encoded, fieldSymbols, wireBytes)
	s.encoded = appendVarint(s.encoded, uint64(len(text)))
	s.encoded = append(s.encoded, text...)
	return ref
}

// metricRefs are a metric's references in one request.
type metricRefs struct {
	request    uint64 // the request they are valid in
	name       uint32
	kind       byte
	help, unit uint32
}

// metric returns the references of the i-th metric, made once a request.
func (r *request) metric(i int, m *catalog.Metric) *metricRefs {
	refs := &r.metrics[i]
	if refs.request != r.number {
		*refs = metricRefs{
			request: r.number, name: r.symbols.ref(m.Name), kind: kindOf(m.Kind),
			help: r.symbols.ref(m.Help), unit: r.symbols.ref(unitOf(m.Unit)),
		}
	}
	return refs
}

func kindOf(k catalog.Kind) byte {
	switch k {
	case catalog.Counter:
		return typeCounter
	case catalog.Gauge:
		return typeGauge
	}
	return typeUnspecified
}

// unitOf is the unit as OpenMetrics writes it.
func unitOf(u catalog.Unit) string {
	if u == catalog.Timestamp {
		return string(catalog.Seconds)
	}
	return string(u)
}
