package logseries

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// lines is a store that answers by definition, and remembers what it was asked.
type lines struct {
	position Position
	groups   map[string][]Group
	fail     string // the definition that cannot be counted
	asked    []Query
}

func (l *lines) Position() Position { return l.position }

func (l *lines) Count(_ context.Context, q Query) ([]Group, error) {
	l.asked = append(l.asked, q)
	if q.Of.Record == l.fail {
		return nil, errors.New("no disk")
	}
	return l.groups[q.Of.Record], nil
}

// appender is what written does not use.
type appender struct{ storage.Appender }

// written keeps what is committed as text and value; NaN that ends a series is -1.
type written struct {
	appender
	committed, pending map[string]float64
	at                 int64
}

func (w *written) Appender(context.Context) storage.Appender {
	w.committed, w.pending = map[string]float64{}, map[string]float64{}
	return w
}

func (w *written) Append(_ storage.SeriesRef, l labels.Labels, t int64, v float64) (storage.SeriesRef, error) {
	if math.Float64bits(v) == value.StaleNaN {
		v = -1
	}
	w.at = t
	w.pending[l.String()] = v
	return 0, nil
}

func (w *written) Commit() error { w.committed = w.pending; return nil }

func TestEachMinuteIsCountedOnceAndLateLinesWithTheNext(t *testing.T) {
	from, to := &lines{position: 7}, &written{}
	e, err := New(Options{Lines: from, Store: to})
	require.NoError(t, err)
	e.Set([]Definition{{Record: "all"}})
	noon := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

	e.Evaluate(t.Context(), noon)
	from.position = 20
	e.Evaluate(t.Context(), noon.Add(time.Minute))
	require.Len(t, from.asked, 2)
	first, second := from.asked[0], from.asked[1]
	require.Equal(t, first.From, first.LateFrom, "what came before the first minute is not known to be late")
	require.Equal(t, []time.Time{noon.Add(-time.Minute), noon}, []time.Time{first.From, first.To})
	require.Equal(t, []time.Time{noon, noon.Add(time.Minute)}, []time.Time{second.From, second.To})
	require.Equal(t, noon.Add(-late), second.LateFrom)
	require.Equal(t, []Position{7, 20, 7}, []Position{first.Before, second.Before, second.Since})
	require.Equal(t, noon.Add(time.Minute).UnixMilli(), to.at)
}

func TestFasterMinutesCountLinesAMinute(t *testing.T) {
	from, to := &lines{position: 7, groups: map[string][]Group{"all": {{nil, 3}}}}, &written{}
	e, err := New(Options{Lines: from, Store: to, Speed: 20})
	require.NoError(t, err)
	e.Set([]Definition{{Record: "all"}})
	noon := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	e.Evaluate(t.Context(), noon)
	e.Evaluate(t.Context(), noon.Add(3*time.Second))
	require.Equal(t, []time.Time{noon.Add(-15 * time.Second), noon, noon.Add(3 * time.Second)},
		[]time.Time{from.asked[1].LateFrom, from.asked[1].From, from.asked[1].To})
	require.Equal(t, map[string]float64{`{__name__="all"}`: 60}, to.committed)
	require.Equal(t, newClock(60), newClock(1000), "no minute is shorter than a second")
	require.Equal(t, clock{minute, grace, late, remembered, 1}, newClock(0))
}

func TestGroupsWithoutLinesAreZeroAndEndAfterAWhile(t *testing.T) {
	from, to := &lines{groups: map[string][]Group{"by:pod": {{[]string{"web-1"}, 3}, {[]string{""}, 1}}}}, &written{}
	e, err := New(Options{Lines: from, Store: to})
	require.NoError(t, err)
	e.Set([]Definition{{Record: "by:pod", By: []string{"pod"}, Labels: map[string]string{"team": "shop"}}, {Record: "none"}})
	noon := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	e.Evaluate(t.Context(), noon)
	require.Equal(t, map[string]float64{`{__name__="by:pod", pod="web-1", team="shop"}`: 3, `{__name__="by:pod", team="shop"}`: 1, `{__name__="none"}`: 0}, to.committed)

	from.groups = nil
	e.Evaluate(t.Context(), noon.Add(time.Minute))
	require.Equal(t, map[string]float64{`{__name__="by:pod", pod="web-1", team="shop"}`: 0, `{__name__="by:pod", team="shop"}`: 0, `{__name__="none"}`: 0}, to.committed)

	e.Evaluate(t.Context(), noon.Add(remembered))
	require.Equal(t, map[string]float64{`{__name__="by:pod", pod="web-1", team="shop"}`: -1, `{__name__="by:pod", team="shop"}`: -1, `{__name__="none"}`: 0}, to.committed)
	e.Evaluate(t.Context(), noon.Add(remembered+time.Minute))
	require.Equal(t, map[string]float64{`{__name__="none"}`: 0}, to.committed)
}

func TestOneSeriesThatFailsLeavesTheOthers(t *testing.T) {
	from, to := &lines{fail: "broken", groups: map[string][]Group{"good": {{nil, 5}}}}, &written{}
	e, err := New(Options{Lines: from, Store: to})
	require.NoError(t, err)
	e.Set([]Definition{{Record: "broken"}, {Record: "good"}})
	e.Evaluate(t.Context(), time.Unix(600, 0))
	require.Equal(t, map[string]float64{`{__name__="good"}`: 5}, to.committed)
}

func TestNewDefinitionsLeaveTheSeriesOfOldOnes(t *testing.T) {
	from, to := &lines{groups: map[string][]Group{"a": {{[]string{"x"}, 5}}}}, &written{}
	e, err := New(Options{Lines: from, Store: to})
	require.NoError(t, err)
	a := Definition{Record: "a", By: []string{"pod"}}
	e.Set([]Definition{a})
	e.Evaluate(t.Context(), time.Unix(600, 0))
	from.groups, a.Line = nil, 17
	e.Set([]Definition{{Record: "b"}, a})
	e.Evaluate(t.Context(), time.Unix(660, 0))
	require.Equal(t, map[string]float64{`{__name__="a", pod="x"}`: 0, `{__name__="b"}`: 0}, to.committed)
}

func TestTooManyGroupsAreBounded(t *testing.T) {
	var many []Group
	for i := range maxGroups + 10 {
		many = append(many, Group{[]string{string(rune('a' + i))}, 1})
	}
	from, to := &lines{groups: map[string][]Group{"a": many}}, &written{}
	e, err := New(Options{Lines: from, Store: to})
	require.NoError(t, err)
	e.Set([]Definition{{Record: "a", By: []string{"pod"}}})
	e.Evaluate(t.Context(), time.Unix(600, 0))
	require.Len(t, to.committed, maxGroups)
}

func TestDefinitionsAreChecked(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var d Definition
		require.NoError(t, yaml.Unmarshal([]byte(text), &d))
		if want == "" {
			require.NoError(t, d.Check())
			return
		}
		require.EqualError(t, d.Check(), want)
	}
	f("{record: a:b, namespace: shop, level: [warn, error], by: [pod, level], labels: {team: x}}", "")
	f("{record: 1a}", `record: "1a": want a name of letters, digits, _ and :`)
	f("{record: a, by: [colour]}", `by: "colour": want some of namespace, controller, pod, container, node, stream, level`)
	f("{record: a, level: loud}", `level: "loud": want some of trace, debug, info, warn, error, fatal`)
	f("{record: a, regex: '('}", "regex: error parsing regexp: missing closing ): `(`")
	f("{record: a, by: [pod], labels: {pod: x}}", `labels: "pod": want a label name that by does not have`)
	for _, d := range Standard() {
		require.NoError(t, d.Check())
	}
}
