package remotewrite

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of prometheus.WriteRequest (version 1.0) and what is in it.
const (
	v1TimeSeries  = 1
	v1Labels      = 1
	v1Samples     = 2
	v1LabelName   = 1
	v1LabelValue  = 2
	v1SampleValue = 1
	v1SampleTime  = 2
)

var errReference = errors.New("a label refers to no symbol")

// toV1 rewrites a request of version 2.0, of the kind this package makes, as
// one of version 1.0. Metadata is left out: there it belongs to the metric, not
// to the series.
func toV1(v2 []byte) (dst []byte, err error) {
	var symbols [][]byte
	err = fields(v2, func(field protowire.Number, value []byte, _ uint64) error {
		if field == fieldSymbols {
			symbols = append(symbols, value)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var one []byte
	err = fields(v2, func(field protowire.Number, value []byte, _ uint64) error {
		if field != fieldTimeSeries {
			return nil
		}
		var err error
		if one, err = seriesToV1(one[:0], value, symbols); err != nil {
			return err
		}
		dst = appendBytesField(dst, v1TimeSeries, one)
		return nil
	})
	return dst, err
}

func seriesToV1(dst, v2 []byte, symbols [][]byte) ([]byte, error) {
	err := fields(v2, func(field protowire.Number, value []byte, _ uint64) (err error) {
		switch field {
		case fieldLabelRefs:
			dst, err = labelsToV1(dst, value, symbols)
		case fieldSamples:
			dst, err = sampleToV1(dst, value)
		}
		return err
	})
	return dst, err
}

// labelsToV1 rewrites packed pairs of references.
func labelsToV1(dst, packed []byte, symbols [][]byte) ([]byte, error) {
	var label []byte
	for len(packed) > 0 {
		var texts [2][]byte
		for i := range texts {
			ref, n := protowire.ConsumeVarint(packed)
			if n < 0 {
				return nil, protowire.ParseError(n)
			}
			if ref >= uint64(len(symbols)) {
				return nil, fmt.Errorf("%w: %d of %d", errReference, ref, len(symbols))
			}
			texts[i], packed = symbols[ref], packed[n:]
		}
		label = appendBytesField(label[:0], v1LabelName, texts[0])
		label = appendBytesField(label, v1LabelValue, texts[1])
		dst = appendBytesField(dst, v1Labels, label)
	}
	return dst, nil
}

func sampleToV1(dst, v2 []byte) ([]byte, error) {
	var value, millis uint64
	err := fields(v2, func(field protowire.Number, _ []byte, number uint64) error {
		switch field {
		case fieldSampleValue:
			value = number
		case fieldSampleTime:
			millis = number
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	sample := protowire.AppendTag(nil, v1SampleValue, protowire.Fixed64Type)
	sample = protowire.AppendFixed64(sample, value)
	sample = protowire.AppendTag(sample, v1SampleTime, protowire.VarintType)
	sample = protowire.AppendVarint(sample, millis)
	return appendBytesField(dst, v1Samples, sample), nil
}

func appendBytesField(dst []byte, field protowire.Number, value []byte) []byte {
	dst = protowire.AppendTag(dst, field, protowire.BytesType)
	return protowire.AppendBytes(dst, value)
}

// fields calls f for each field of a message, with its bytes or its number.
func fields(message []byte, f func(field protowire.Number, value []byte, number uint64) error) error {
	for len(message) > 0 {
		field, wire, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		var value []byte
		var number uint64
		switch wire {
		case protowire.BytesType:
			value, n = protowire.ConsumeBytes(message)
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(message)
		case protowire.Fixed64Type:
			number, n = protowire.ConsumeFixed64(message)
		default:
			n = protowire.ConsumeFieldValue(field, wire, message)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		if err := f(field, value, number); err != nil {
			return err
		}
		message = message[n:]
	}
	return nil
}
