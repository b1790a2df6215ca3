package logstore

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/logrecord"
)

// odd are texts that senders have no business to send, and do.
func odd() map[string]string {
	return map[string]string{
		"nul":          "a\x00b\x00",
		"invalid":      "\xff\xfe\xc3(\xed\xa0\x80",
		"cut rune":     "caf\xc3",
		"noncharacter": "\ufffe\uffff\U0010ffff",
		"quotes":       `'; DROP TABLE records; -- "`,
		"long":         strings.Repeat("x", 200_000),
		"long invalid": strings.Repeat("\xff-", 60_000),
		"control":      "\x01\x02\x1b[31m\r\n\t\v",
	}
}

// One strange record must never make the store refuse its chunk for ever: every
// text comes back as it is, or with what is no UTF-8 replaced, in every place.
func TestStrangeTextInEveryPlaceIsStored(t *testing.T) {
	for name, text := range odd() {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, Options{Dir: dir})
			source := &logrecord.Source{Namespace: text, Pod: text, PodUID: text, Container: text, ContainerID: text,
				Image: text, Host: text, Labels: map[string]string{text: text, "": ""}}
			b := logrecord.Batch{ChunkID: text, Records: []logrecord.Record{
				{Time: noon.UnixNano(), Tag: text, Log: text, Stream: text, Source: source, Fields: text},
			}}
			require.NoError(t, s.Append(t.Context(), []logrecord.Batch{b}))
			require.NoError(t, s.Append(t.Context(), []logrecord.Batch{b}))
			entries, err := s.Query(t.Context(), Query{})
			require.NoError(t, err)
			require.Len(t, entries, 1, "the chunk's id is not recognised")
			require.Equal(t, strings.ToValidUTF8(text, "\ufffd"), entries[0].Message)
			require.Equal(t, entries[0].Message, entries[0].Origin.Pod)
			require.NoError(t, s.Close())

			s = openStore(t, Options{Dir: dir})
			require.NoError(t, s.Append(t.Context(), []logrecord.Batch{b}))
			require.Equal(t, 1, count(t, s), "the chunk's id is not recognised after a restart")
		})
	}
}

func TestChunkIDsThatDifferBehindANulAreTwo(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, Options{Dir: dir})
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{batch("a\x00one", noon, 1)}))
	require.NoError(t, s.Close())
	s = openStore(t, Options{Dir: dir})
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{batch("a\x00two", noon, 1), batch("a", noon, 1)}))
	require.Equal(t, 3, count(t, s))
}

func TestTimesBeyondTheCalendarAreStoredOrCounted(t *testing.T) {
	s := openStore(t, Options{})
	var b logrecord.Batch
	for _, at := range []int64{math.MinInt64, math.MinInt64 + 1, -1, 0, 1, math.MaxInt64 - 1, math.MaxInt64} {
		b.Records = append(b.Records, logrecord.Record{Time: at, Log: "x"})
	}
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{b}))
	require.Equal(t, 2, count(t, s), "those ahead of the clock are stored under its time")
}
