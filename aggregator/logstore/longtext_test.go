package logstore

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/logrecord"
)

func TestCutText(t *testing.T) {
	for _, text := range []string{"", "short", strings.Repeat("x", maxText), strings.Repeat("x", maxText+1),
		strings.Repeat("日本語", maxText/4), "x" + strings.Repeat("🙂", maxText/3), strings.Repeat("é", maxText)} {
		var all strings.Builder
		for first, rest := cutText(text); ; first, rest = cutText(rest) {
			require.LessOrEqual(t, len(first), maxText)
			require.True(t, utf8.ValidString(first))
			all.WriteString(first)
			if rest == "" {
				break
			}
		}
		require.True(t, all.String() == text) //nolint:testifylint // would print a megabyte
	}
}

func TestLongLineBecomesSeveralRecords(t *testing.T) {
	s := openStore(t, Options{})
	live, err := s.Subscribe(Query{})
	require.NoError(t, err)
	defer live.Close()
	long := strings.Repeat("日", maxText/2)
	b := logrecord.Batch{ChunkID: "a", Records: []logrecord.Record{
		{Time: noon.UnixNano(), Log: "before", Source: web},
		{Time: noon.UnixNano() + 1, Log: long, Source: web, Stream: "stderr", Fields: `{"n":1}`},
		{Time: noon.UnixNano() + 2, Log: "after", Source: web, Fields: `{"x":"` + strings.Repeat("y", maxText) + `"}`},
	}}
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{b}))
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{b}))
	entries, err := s.Query(t.Context(), Query{Ascending: true})
	require.NoError(t, err)
	require.Len(t, entries, 4)
	require.Equal(t, long, entries[1].Message+entries[2].Message)
	require.Equal(t, entries[1].Time, entries[2].Time)
	require.Equal(t, entries[1].Origin, entries[2].Origin)
	require.Equal(t, []string{`{"n":1}`, ""}, []string{entries[1].Fields, entries[2].Fields})
	var fields map[string]string
	require.NoError(t, json.Unmarshal([]byte(entries[3].Fields), &fields))
	require.Len(t, fields["cut_fields"], maxText)
	require.InDelta(t, 2, testutil.ToFloat64(s.metrics.long), 0)
	for i := range entries {
		require.Equal(t, entries[i].Message, (<-live.C).Entry.Message, "followers see the same")
	}
}

// A chunk with more text than the engine may take memory must be stored and stay
// readable. (With the default limit, 250 MiB do.)
func TestMoreTextThanMemory(t *testing.T) {
	for _, c := range []struct{ records, bytes int }{{1, 60 << 20}, {60, 1 << 20}, {1000, 64 << 10}} {
		t.Run(fmt.Sprintf("%d of %d", c.records, c.bytes), func(t *testing.T) {
			s := openStore(t, Options{MemoryLimit: 32 << 20})
			text := strings.Repeat("log line ", c.bytes/9)
			b := logrecord.Batch{ChunkID: "x"}
			for i := range c.records {
				b.Records = append(b.Records, logrecord.Record{Time: noon.UnixNano() + int64(i), Log: text, Source: web})
			}
			require.NoError(t, s.Append(t.Context(), []logrecord.Batch{b, line(noon, web, "", "needle")}))
			entries, err := s.Query(t.Context(), Query{Limit: 50})
			require.NoError(t, err)
			require.NotEmpty(t, entries)
			found, err := s.Query(t.Context(), Query{Text: "needle"})
			require.NoError(t, err)
			require.Len(t, found, 1)
			require.Positive(t, testutil.ToFloat64(s.metrics.ample))
			require.NoError(t, s.Append(t.Context(), []logrecord.Batch{line(noon, web, "", "goes on")}))
		})
	}
}
