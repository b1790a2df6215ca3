package model

import "github.com/lubberline/lubberline/catalog"

// Unit is one of Grafana's units
// (packages/grafana-data/src/valueFormats/categories.ts).
type Unit string

// The units in use.
const (
	Number       Unit = "short"
	Whole        Unit = "none"
	Bytes        Unit = "bytes"
	BytesPerSec  Unit = "binBps"
	Seconds      Unit = "s"
	Milliseconds Unit = "ms"
	Nanoseconds  Unit = "ns"
	Days         Unit = "d"
	Share        Unit = "percentunit"
	PerSecond    Unit = "cps"
	Packets      Unit = "pps"
	Operations   Unit = "iops"
	Hertz        Unit = "hertz"
	Moment       Unit = "dateTimeAsIso"
	FromNow      Unit = "dateTimeFromNow"
	Cores        Unit = "suffix: cores"
)

// UnitOf returns Grafana's unit for values of the catalog's, or for their rates.
func UnitOf(unit catalog.Unit, rate bool) Unit {
	switch unit {
	case catalog.Bytes:
		if rate {
			return BytesPerSec
		}
		return Bytes
	case catalog.Seconds:
		if rate { // seconds a second: as many things at work
			return Share
		}
		return Seconds
	case catalog.Ratio:
		return Share
	case catalog.Hertz:
		return Hertz
	case catalog.Timestamp:
		return Moment
	}
	if rate {
		return PerSecond
	}
	return Number
}
