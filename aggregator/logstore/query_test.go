package logstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/logrecord"
)

var db1 = &logrecord.Source{Namespace: "data", Pod: "db-1", Container: "postgres", Host: "node-b"}

// mixed fills a store with lines of two pods over three days.
func mixed(t *testing.T) *Store {
	t.Helper()
	s := openStore(t, Options{})
	var all []logrecord.Batch
	for i, text := range []string{"[ERROR] Disk full", "[INFO] started", "level=warn slow", "plain text", "[ERROR] disk FULL again", "INFO bye"} {
		source, stream := web, "stdout"
		if i%2 == 1 {
			source, stream = db1, "stderr"
		}
		all = append(all, line(noon.Add(time.Duration(i-5)*12*time.Hour), source, stream, text))
	}
	all[3].Records[0].Fields = `{"user":"ann"}`
	require.NoError(t, s.Append(t.Context(), all))
	return s
}

func TestQueryConditions(t *testing.T) {
	s := mixed(t)
	disk, started, slow, plain, again, bye := "[ERROR] Disk full", "[INFO] started", "level=warn slow", "plain text", "[ERROR] disk FULL again", "INFO bye"
	for name, tc := range map[string]struct {
		q    Query
		want []string
	}{
		"all, newest first":     {Query{}, []string{bye, again, plain, slow, started, disk}},
		"limit reads few days":  {Query{Limit: 2}, []string{bye, again}},
		"ascending":             {Query{Ascending: true, Limit: 2}, []string{disk, started}},
		"from inclusive":        {Query{From: noon.Add(-12 * time.Hour)}, []string{bye, again}},
		"to exclusive":          {Query{To: noon.Add(-48 * time.Hour)}, []string{disk}},
		"namespace":             {Query{Namespaces: []string{"data", "nowhere"}}, []string{bye, plain, started}},
		"pod":                   {Query{Pods: []string{"web-1"}}, []string{again, slow, disk}},
		"container and node":    {Query{Containers: []string{"postgres"}, Nodes: []string{"node-b"}}, []string{bye, plain, started}},
		"contradiction":         {Query{Containers: []string{"postgres"}, Nodes: []string{"node-a"}}, []string{}},
		"stream":                {Query{Streams: []string{"stdout"}}, []string{again, slow, disk}},
		"levels":                {Query{Levels: []Level{LevelError, LevelWarn}}, []string{again, slow, disk}},
		"unknown level":         {Query{Levels: []Level{LevelUnknown}}, []string{plain}},
		"text":                  {Query{Text: "Disk"}, []string{disk}},
		"text, any case":        {Query{Text: "disk full", IgnoreCase: true}, []string{again, disk}},
		"text of fields":        {Query{Text: `"ann"`}, []string{plain}},
		"text is no pattern":    {Query{Text: "%"}, []string{}},
		"text is no SQL":        {Query{Text: "'; DROP TABLE records; --"}, []string{}},
		"regex":                 {Query{Regex: `(?i)^\[error\] disk\s+full$`}, []string{disk}},
		"regex is not anchored": {Query{Regex: `s.ow`}, []string{slow}},
	} {
		t.Run(name, func(t *testing.T) {
			entries, err := s.Query(t.Context(), tc.q)
			require.NoError(t, err)
			require.Equal(t, tc.want, messages(entries))
			if tc.q.Limit == 0 {
				n, err := s.Count(t.Context(), tc.q)
				require.NoError(t, err)
				require.Len(t, tc.want, int(n))
			}
			f, err := newFilter(&tc.q)
			require.NoError(t, err)
			for i := range entries {
				require.True(t, f.matches(&entries[i]), entries[i].Message)
			}
		})
	}
}

func TestBadQueries(t *testing.T) {
	s := mixed(t)
	_, err := s.Query(t.Context(), Query{Regex: "a(b"})
	require.True(t, IsBadQuery(err))
	require.ErrorContains(t, err, `regex "a(b"`)
	_, err = s.Histogram(t.Context(), Query{From: noon.AddDate(-1, 0, 0), To: noon}, time.Second, FieldLevel)
	require.ErrorContains(t, err, "too short for the range")
	_, err = s.Histogram(t.Context(), Query{From: noon}, time.Second, FieldLevel)
	require.ErrorContains(t, err, "needs a start and an end")
	_, err = s.Histogram(t.Context(), Query{}, 0, FieldLevel)
	require.True(t, IsBadQuery(err))
	_, err = s.FieldValues(t.Context(), Query{}, "message", 1)
	require.ErrorContains(t, err, `field "message"`)
	_, err = s.Histogram(t.Context(), Query{From: noon.Add(-48 * time.Hour), To: noon}, time.Hour, "message")
	require.True(t, IsBadQuery(err))
	_, _, err = s.Follow(t.Context(), Query{Regex: "["})
	require.True(t, IsBadQuery(err))
}

func TestPagesCoverEverythingOnce(t *testing.T) {
	s := openStore(t, Options{})
	var want []string
	for i := range 30 { // ten records share each of three times, over midnight
		text := fmt.Sprint("line ", i)
		want = append(want, text)
		require.NoError(t, s.Append(t.Context(), []logrecord.Batch{line(noon.Add(time.Duration(i/10)*8*time.Hour), web, "", text)}))
	}
	for _, ascending := range []bool{true, false} {
		q := Query{Ascending: ascending, Limit: 7}
		var got []string
		for {
			entries, err := s.Query(t.Context(), q)
			require.NoError(t, err)
			if len(entries) == 0 {
				break
			}
			got = append(got, messages(entries)...)
			c := entries[len(entries)-1].Cursor()
			q.After = &c
		}
		if ascending {
			require.Equal(t, want, got)
		} else {
			require.ElementsMatch(t, want, got)
			require.Equal(t, "line 29", got[0])
		}
	}
}

func TestHistogramAndFieldValues(t *testing.T) {
	s := mixed(t)
	q := Query{From: noon.Add(-100 * time.Hour), To: noon.Add(time.Hour)}
	buckets, err := s.Histogram(t.Context(), q, 24*time.Hour, FieldLevel)
	require.NoError(t, err)
	day := func(n int) time.Time { return noon.Truncate(24*time.Hour).AddDate(0, 0, n) }
	require.Equal(t, []Bucket{
		{day(-2), map[string]int64{"error": 1}},
		{day(-1), map[string]int64{"info": 1, "warn": 1}},
		{day(0), map[string]int64{"": 1, "error": 1, "info": 1}},
	}[0].Start.Weekday(), buckets[0].Start.Weekday())
	total := int64(0)
	for _, b := range buckets {
		for _, n := range b.Counts {
			total += n
		}
	}
	require.Equal(t, int64(6), total)

	buckets, err = s.Histogram(t.Context(), Query{From: noon.Add(-time.Hour), To: noon.Add(time.Hour)}, time.Minute, FieldNone)
	require.NoError(t, err)
	require.Equal(t, []Bucket{{noon, map[string]int64{"": 1}}}, buckets)

	values, err := s.FieldValues(t.Context(), Query{}, FieldPod, 1)
	require.NoError(t, err)
	require.Equal(t, []ValueCount{{"db-1", 3}}, values)
	for _, f := range Fields() {
		_, err := s.FieldValues(t.Context(), q, f, 10)
		require.NoError(t, err, f)
	}
}

func TestHistogramBeforeTheEpoch(t *testing.T) {
	s := openStore(t, Options{Now: at(time.Unix(86400*30, 0))})
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{line(time.Unix(-90, 0), web, "", "early")}))
	buckets, err := s.Histogram(t.Context(), Query{From: time.Unix(-600, 0), To: time.Unix(600, 0)}, time.Minute, FieldNone)
	require.NoError(t, err)
	require.Equal(t, []Bucket{{time.Unix(-120, 0).UTC(), map[string]int64{"": 1}}}, buckets)
}

func TestViewJoinsDays(t *testing.T) {
	s := mixed(t)
	var pods, n int
	found, err := s.View(t.Context(), noon.Add(-48*time.Hour), noon.Add(time.Hour), func(r *Reader) error {
		rows, err := r.Query(t.Context(), "SELECT count(DISTINCT pod), count(*) FROM "+r.Relation(true)+" WHERE time >= ?",
			noon.Add(-48*time.Hour).UnixNano())
		require.NoError(t, err)
		defer rows.Close()
		require.True(t, rows.Next())
		require.NoError(t, rows.Scan(&pods, &n))
		return rows.Err()
	})
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, []int{2, 5}, []int{pods, n})
	found, err = s.View(t.Context(), noon.AddDate(1, 0, 0), time.Time{}, func(*Reader) error { t.Error("called"); return nil })
	require.NoError(t, err)
	require.False(t, found)
}

func TestLogsViewIsForPeople(t *testing.T) {
	s := mixed(t)
	require.Equal(t, 6, count(t, s)) // attaches the days
	var level, pod, when string
	require.NoError(t, s.engine.db.QueryRow(`SELECT level, pod, time::VARCHAR FROM d20261124.logs WHERE message LIKE 'INFO%'`).
		Scan(&level, &pod, &when))
	require.Equal(t, []string{"info", "db-1", "2026-11-24 12:00:00"}, []string{level, pod, when})
}
