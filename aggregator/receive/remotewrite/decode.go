package remotewrite

import (
	"fmt"
	"math"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
)

// series is one time series of a message. Its bytes are the message's: nothing
// is copied, and all is overwritten by the next series.
type series struct {
	labels     []label
	samples    []point
	histograms [][]byte // encoded, of the message's own version
}

type label struct{ name, value string }

type point struct {
	t int64
	v float64
}

func (s *series) reset() {
	s.labels, s.samples, s.histograms = s.labels[:0], s.samples[:0], s.histograms[:0]
}

// text is b as a string, without a copy. It must not outlive the message.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// fields calls fn with each field of a message; value is the content of
// length-delimited fields and the raw bytes of others.
func fields(message []byte, fn func(num protowire.Number, typ protowire.Type, value []byte) error) error {
	for len(message) > 0 {
		num, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		n = protowire.ConsumeFieldValue(num, typ, message)
		if n < 0 {
			return fmt.Errorf("field %d: %w", num, protowire.ParseError(n))
		}
		value := message[:n]
		if typ == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(value)
		}
		if err := fn(num, typ, value); err != nil {
			return err
		}
		message = message[n:]
	}
	return nil
}

func wrongType(num protowire.Number, typ protowire.Type) error {
	return fmt.Errorf("field %d has wire type %d", num, typ)
}

// Field numbers of prometheus.WriteRequest and below.
const (
	v1Timeseries = 1

	v1Labels     = 1
	v1Samples    = 2
	v1Histograms = 4
)

// decodeV1 calls take with every series of a prometheus.WriteRequest.
func decodeV1(message []byte, s *series, take func(*series) error) error {
	index := 0
	return fields(message, func(num protowire.Number, typ protowire.Type, value []byte) error {
		if num != v1Timeseries {
			return nil
		}
		if typ != protowire.BytesType {
			return wrongType(num, typ)
		}
		s.reset()
		if err := s.decodeV1(value); err != nil {
			return fmt.Errorf("series %d: %w", index, err)
		}
		index++
		return take(s)
	})
}

func (s *series) decodeV1(message []byte) error {
	return fields(message, func(num protowire.Number, typ protowire.Type, value []byte) error {
		if typ != protowire.BytesType && num <= v1Histograms {
			return wrongType(num, typ)
		}
		switch num {
		case v1Labels:
			return s.addLabel(value)
		case v1Samples:
			return s.addSample(value)
		case v1Histograms:
			s.histograms = append(s.histograms, value)
		}
		return nil
	})
}

func (s *series) addLabel(message []byte) error {
	var l label
	err := fields(message, func(num protowire.Number, typ protowire.Type, value []byte) error {
		switch {
		case num <= 2 && typ != protowire.BytesType:
			return wrongType(num, typ)
		case num == 1:
			l.name = text(value)
		case num == 2:
			l.value = text(value)
		}
		return nil
	})
	s.labels = append(s.labels, l)
	if err != nil {
		return fmt.Errorf("label %d: %w", len(s.labels)-1, err)
	}
	return nil
}

// addSample reads a Sample: value = 1, timestamp = 2 in both versions.
func (s *series) addSample(message []byte) error {
	var p point
	err := fields(message, func(num protowire.Number, typ protowire.Type, value []byte) error {
		switch {
		case num == 1 && typ == protowire.Fixed64Type:
			bits, _ := protowire.ConsumeFixed64(value)
			p.v = math.Float64frombits(bits)
		case num == 2 && typ == protowire.VarintType:
			t, _ := protowire.ConsumeVarint(value)
			p.t = int64(t)
		case num <= 2:
			return wrongType(num, typ)
		}
		return nil
	})
	s.samples = append(s.samples, p)
	if err != nil {
		return fmt.Errorf("sample %d: %w", len(s.samples)-1, err)
	}
	return nil
}

// Field numbers of io.prometheus.write.v2.Request and below.
const (
	v2Symbols    = 4
	v2Timeseries = 5

	v2LabelRefs  = 1
	v2Samples    = 2
	v2Histograms = 3
)

// decodeV2 calls take with every series of an io.prometheus.write.v2.Request.
// Symbols may stand anywhere in the message, so they are read first. The slice
// of symbols given is used again and returned.
func decodeV2(message []byte, symbols []string, s *series, take func(*series) error) ([]string, error) {
	symbols = symbols[:0]
	err := fields(message, func(num protowire.Number, typ protowire.Type, value []byte) error {
		if num != v2Symbols {
			return nil
		}
		if typ != protowire.BytesType {
			return wrongType(num, typ)
		}
		symbols = append(symbols, text(value))
		return nil
	})
	if err != nil {
		return symbols, err
	}
	if len(symbols) > 0 && symbols[0] != "" {
		return symbols, fmt.Errorf("first symbol is %q: it must be empty", symbols[0])
	}
	index := 0
	return symbols, fields(message, func(num protowire.Number, typ protowire.Type, value []byte) error {
		if num != v2Timeseries {
			return nil
		}
		if typ != protowire.BytesType {
			return wrongType(num, typ)
		}
		s.reset()
		if err := s.decodeV2(value, symbols); err != nil {
			return fmt.Errorf("series %d: %w", index, err)
		}
		index++
		return take(s)
	})
}

func (s *series) decodeV2(message []byte, symbols []string) error {
	refs := refPairs{symbols: symbols}
	err := fields(message, func(num protowire.Number, typ protowire.Type, value []byte) error {
		switch {
		case num == v2LabelRefs:
			return refs.add(s, typ, value)
		case num <= v2Histograms && typ != protowire.BytesType:
			return wrongType(num, typ)
		case num == v2Samples:
			return s.addSample(value)
		case num == v2Histograms:
			s.histograms = append(s.histograms, value)
		}
		return nil
	})
	if err == nil && refs.half {
		err = fmt.Errorf("label references: odd number of them")
	}
	return err
}

// refPairs turns references into labels, two by two.
type refPairs struct {
	symbols []string
	name    string
	half    bool // name waits for its value
}

// add takes one reference, or a packed run of them.
func (p *refPairs) add(s *series, typ protowire.Type, value []byte) error {
	if typ != protowire.BytesType && typ != protowire.VarintType {
		return fmt.Errorf("label references: wire type %d", typ)
	}
	for len(value) > 0 {
		ref, n := protowire.ConsumeVarint(value)
		if n < 0 {
			return fmt.Errorf("label references: %w", protowire.ParseError(n))
		}
		if ref >= uint64(len(p.symbols)) {
			return fmt.Errorf("label reference %d: there are %d symbols", ref, len(p.symbols))
		}
		if p.half {
			s.labels = append(s.labels, label{p.name, p.symbols[ref]})
		} else {
			p.name = p.symbols[ref]
		}
		p.half = !p.half
		value = value[n:]
	}
	return nil
}
