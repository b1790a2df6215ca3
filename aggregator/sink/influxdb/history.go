package influxdb

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/lubberline/lubberline/aggregator/api/heapster"
	"github.com/lubberline/lubberline/catalog"
)

// History answers Heapster's historical queries from what a Sink with the same
// options has written. It speaks InfluxQL, which both generations answer. It is
// safe for concurrent use. Queries by pod id find only what was written with
// IDTags.
type History struct{ options Options }

var _ heapster.History = (*History)(nil)

// NewHistory checks the options; Dir is not used. It does not talk to the
// server yet.
func NewHistory(o Options) (*History, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	return &History{options: o}, nil
}

// listing says how one list of names is found: the tag whose values they are,
// the kind of the objects, and which figures tell that an object was there.
type listing struct {
	tag  string
	kind catalog.ObjectKind
}

var listings = map[heapster.NameKind]listing{
	heapster.NodeNames:            {"nodename", catalog.Node},
	heapster.NamespaceNames:       {"namespace_name", catalog.Namespace},
	heapster.PodNames:             {"pod_name", catalog.Pod},
	heapster.ContainerNames:       {"container_name", catalog.PodContainer},
	heapster.SystemContainerNames: {"container_name", catalog.SystemContainer},
}

// signsOfLife are figures that every object has, one or the other.
var signsOfLife = []string{"memory/usage", "cpu/usage_rate", "cpu/usage", "uptime", "cpu/limit"}

// Names implements heapster.History. Both ends are inclusive.
func (h *History) Names(ctx context.Context, what heapster.NameKind, of heapster.Object, start, end time.Time) ([]string, error) {
	if what == heapster.MetricNames {
		return h.metricNames(ctx, of, start, end)
	}
	list, ok := listings[what]
	if !ok {
		return nil, fmt.Errorf("influxdb: no list of %q", what)
	}
	of.Kind = list.kind
	switch what { // what narrows the list; what is listed does not
	case heapster.NodeNames, heapster.NamespaceNames:
		of = heapster.Object{Kind: list.kind}
	case heapster.PodNames:
		of.Pod, of.PodID, of.Container = "", "", ""
	case heapster.ContainerNames, heapster.SystemContainerNames:
		of.Container = ""
	}
	where := h.conditions(of) + " AND " + within(">=", start, "<=", end)
	found, err := h.query(ctx, fmt.Sprintf("SELECT last(*) FROM %s WHERE %s GROUP BY %s", h.anyOf(signsOfLife), where, quoteName(list.tag)))
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(found))
	for _, s := range found {
		if name := s.Tags[list.tag]; name != "" {
			names = append(names, name)
		}
	}
	return sortedOnce(names), nil
}

// metricNames lists the plain figures of the object.
func (h *History) metricNames(ctx context.Context, of heapster.Object, start, end time.Time) ([]string, error) {
	where := h.conditions(of) + " AND " + unlabeled + " AND " + within(">=", start, "<=", end)
	found, err := h.query(ctx, "SELECT last(*) FROM /.*/ WHERE "+where)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range found {
		for i, column := range s.Columns {
			field, ok := strings.CutPrefix(column, "last_")
			if !ok || len(s.Values) == 0 || s.Values[0][i] == nil {
				continue
			}
			name := s.Name + "/" + field
			if field == plainField {
				name = s.Name
			}
			names = append(names, name)
		}
	}
	return sortedOnce(names), nil
}

// Series implements heapster.History.
func (h *History) Series(ctx context.Context, of heapster.Object, figure heapster.Figure, start, end time.Time) ([]heapster.Point, error) {
	measurement, field := names(&h.options, figure.Metric)
	where := h.conditions(of) + " AND " + labelConditions(figure.Labels) + " AND " + within(">", start, "<", end)
	found, err := h.query(ctx, fmt.Sprintf("SELECT %s FROM %s WHERE %s", quoteName(field), quoteName(measurement), where))
	if err != nil {
		return nil, err
	}
	points := []heapster.Point{}
	for _, s := range found {
		for _, row := range s.Values {
			at, number, err := cell(figure.Metric, row, 1)
			if err != nil {
				return nil, err
			}
			if number != nil {
				points = append(points, heapster.Point{Time: at, Value: *number})
			}
		}
	}
	return points, h.known(figure.Metric, len(points))
}

// unlabeled keeps labelled figures out of a query for plain ones.
const unlabeled = `"resource_id" = '' AND "accelerator_id" = ''`

func labelConditions(labels map[string]string) string {
	if len(labels) == 0 {
		return unlabeled
	}
	var all []string
	for k, v := range labels {
		all = append(all, quoteName(k)+" = "+quoteText(cleanTag(v)))
	}
	slices.Sort(all)
	return strings.Join(all, " AND ")
}

// conditions select the points of one object, or of all objects of its kind
// below what is set.
func (h *History) conditions(of heapster.Object) string {
	all := []string{
		`"type" = ` + quoteText(string(of.Kind)),
		`"cluster_name" = ` + quoteText(cleanTag(h.options.ClusterName)),
	}
	add := func(tag, value string) {
		if value != "" {
			all = append(all, quoteName(tag)+" = "+quoteText(cleanTag(value)))
		}
	}
	add("nodename", of.Node)
	add("namespace_name", of.Namespace)
	add("pod_name", of.Pod)
	add("pod_id", of.PodID)
	add("container_name", of.Container)
	return strings.Join(all, " AND ")
}

// within bounds the time. A zero start is the beginning of time.
func within(from string, start time.Time, to string, end time.Time) string {
	text := fmt.Sprintf("time %s %d", to, end.UnixNano())
	if !start.IsZero() {
		text = fmt.Sprintf("time %s %d AND %s", from, start.UnixNano(), text)
	}
	return text
}

// anyOf is a source for queries: the measurements of all these metrics.
func (h *History) anyOf(metrics []string) string {
	var all []string
	for _, metric := range metrics {
		measurement, _ := names(&h.options, metric)
		all = append(all, quoteName(measurement))
	}
	return strings.Join(slices.Compact(all), ", ")
}

func (h *History) query(ctx context.Context, statement string) ([]series, error) {
	return influxQL(ctx, &h.options, statement, true)
}

// known complains about a metric that neither the catalog nor the answer has.
func (h *History) known(metric string, found int) error {
	if _, ok := catalog.LookupHeapster(metric); ok || found > 0 || strings.HasPrefix(metric, "custom/") || strings.HasSuffix(metric, "/request") {
		return nil
	}
	return fmt.Errorf("influxdb: %w %q", heapster.ErrUnknownMetric, metric)
}

// cell reads the time and the number in a column of a row; a number that is not
// there is nil.
func cell(metric string, row []any, column int) (time.Time, *heapster.Number, error) {
	if column >= len(row) {
		return time.Time{}, nil, fmt.Errorf("influxdb: a row of %d columns, want more than %d", len(row), column)
	}
	stamp, ok := row[0].(json.Number)
	if !ok {
		return time.Time{}, nil, fmt.Errorf("influxdb: time %v is not a number", row[0])
	}
	nanos, err := stamp.Int64()
	if err != nil {
		return time.Time{}, nil, fmt.Errorf("influxdb: time %s: %w", stamp, err)
	}
	at := time.Unix(0, nanos).UTC()
	text, ok := row[column].(json.Number)
	if !ok {
		return at, nil, nil
	}
	n, err := number(metric, text)
	return at, n, err
}

// number reads a figure. Those of an integer metric are integers, rounded where
// InfluxDB computed with fractions, so that a metric has one type always.
func number(metric string, text json.Number) (*heapster.Number, error) {
	m, known := catalog.LookupHeapster(metric)
	if i, err := text.Int64(); err == nil && (!known || m.ValueType == catalog.Int64) {
		return &heapster.Number{Int: i}, nil
	}
	f, err := text.Float64()
	if err != nil {
		return nil, fmt.Errorf("influxdb: value %s of %s: %w", text, metric, err)
	}
	if known && m.ValueType == catalog.Int64 {
		return &heapster.Number{Int: int64(math.Round(f))}, nil
	}
	return &heapster.Number{IsFloat: true, Float: f}, nil
}

func sortedOnce(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
