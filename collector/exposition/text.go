package exposition

import (
	"bytes"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/common/expfmt"

	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/collector/reading"
	"github.com/lubberline/lubberline/collector/series"
)

func (e *Exposition) serveMetrics(w http.ResponseWriter, r *http.Request) {
	respond(w, r, textType, func(b []byte) []byte {
		b = e.appendContainers(b)
		e.machine.View(func(_ time.Time, points []series.Point) { b = appendPoints(b, points) })
		return e.appendOwn(b)
	})
}

func (e *Exposition) serveContainers(w http.ResponseWriter, r *http.Request) {
	respond(w, r, textType, e.appendContainers)
}

func (e *Exposition) appendContainers(b []byte) []byte {
	e.containers.View(func(_ time.Time, cs []*reading.Container) { b = e.text.append(b, cs) })
	return b
}

// appendOwn adds the program's own metrics. What cannot be gathered is left
// out and logged; the rest of the answer stands.
func (e *Exposition) appendOwn(b []byte) []byte {
	if e.own == nil {
		return b
	}
	families, err := e.own.Gather()
	if err != nil {
		e.logger.Warn("own metrics are incomplete", "error", err)
	}
	out := bytes.NewBuffer(b)
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(out, family); err != nil {
			e.logger.Warn("own metric is left out", "metric", family.GetName(), "error", err)
		}
	}
	return out.Bytes()
}

// appendPoints adds points that belong to the machine. They have no timestamps:
// a scrape gives them its own.
func appendPoints(b []byte, points []series.Point) []byte {
	previous := ""
	for i := range points {
		p := &points[i]
		if p.Name != previous {
			b = appendHead(b, catalog.MustLookup(p.Name))
			previous = p.Name
		}
		b = append(b, p.Name...)
		if len(p.Labels) > 0 {
			b = append(b, '{')
			b = appendLabels(b, p.Labels)
			b = append(b, '}')
		}
		b = append(b, ' ')
		b = strconv.AppendFloat(b, p.Value, 'g', -1, 64)
		b = append(b, '\n')
	}
	return b
}

// appendHead adds the HELP and TYPE lines of a metric.
func appendHead(b []byte, m catalog.Metric) []byte {
	b = append(b, "# HELP "...)
	b = append(b, m.Name...)
	b = append(b, ' ')
	b = appendEscaped(b, m.Help, false)
	b = append(b, "\n# TYPE "...)
	b = append(b, m.Name...)
	b = append(b, ' ')
	b = append(b, m.Kind...)
	return append(b, '\n')
}

// appendLabels adds a="b",c="d".
func appendLabels(b []byte, labels []series.Label) []byte {
	for i, l := range labels {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendLabel(b, l.Name, l.Value)
	}
	return b
}

func appendLabel(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, '=', '"')
	b = appendEscaped(b, value, true)
	return append(b, '"')
}

// appendEscaped escapes as the text format asks: backslash and newline, and in
// label values the quote.
func appendEscaped(b []byte, s string, quote bool) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			b = append(b, '\\', '\\')
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '"' && quote:
			b = append(b, '\\', '"')
		default:
			b = append(b, c)
		}
	}
	return b
}
