package logstore

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/logrecord"
)

func counted(t *testing.T, s *Store, q Query, a Arrival, fields ...Field) []Group {
	t.Helper()
	groups, err := s.CountBy(t.Context(), q, a, fields)
	require.NoError(t, err)
	slices.SortFunc(groups, func(a, b Group) int { return slices.Compare(a.Values, b.Values) })
	return groups
}

func TestCountsByFields(t *testing.T) {
	s := mixed(t)
	whole := Query{From: noon.Add(-100 * time.Hour), To: noon.Add(time.Hour)}
	a := Arrival{Before: s.Position(), LateFrom: whole.From}
	require.Equal(t, []Group{{[]string{"data", ""}, 1}, {[]string{"data", "info"}, 2}, {[]string{"shop", "error"}, 2}, {[]string{"shop", "warn"}, 1}},
		counted(t, s, whole, a, FieldNamespace, FieldLevel))
	require.Equal(t, []Group{{[]string{}, 6}}, counted(t, s, whole, a))
	whole.Text = "nothing of the kind"
	require.Empty(t, counted(t, s, whole, a, FieldNamespace))
	_, err := s.CountBy(t.Context(), whole, a, []Field{"colour"})
	require.True(t, IsBadQuery(err))
}

// A line that is stored after its minute was counted is counted once, with the
// next.
func TestLateRecordsCountOnce(t *testing.T) {
	s := openStore(t, Options{})
	add := func(at time.Time) {
		require.NoError(t, s.Append(t.Context(), []logrecord.Batch{line(at, web, "stdout", "x")}))
	}
	minute := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }
	total := func(n int, since, before Position) int64 {
		groups := counted(t, s, Query{From: minute(n), To: minute(n + 1)}, Arrival{Before: before, LateFrom: minute(n - 5), Since: since})
		if len(groups) == 0 {
			return 0
		}
		return groups[0].Count
	}
	add(minute(0))
	add(minute(0).Add(time.Second))
	first := s.Position()
	require.EqualValues(t, 2, total(0, 0, first))

	add(minute(0).Add(2 * time.Second)) // late
	add(minute(1))
	add(minute(-20)) // too late for anything
	second := s.Position()
	add(minute(1)) // stored after the position was taken
	require.EqualValues(t, 2, total(1, first, second))
	require.EqualValues(t, 1, total(2, second, s.Position()))
	require.EqualValues(t, 0, total(3, s.Position(), s.Position()))
}
