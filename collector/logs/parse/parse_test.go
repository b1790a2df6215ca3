package parse

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

const stamp = "2026-11-24T10:11:12.123456789Z"

func nanos(t testing.TB, s string) int64 {
	t.Helper()
	want, err := time.Parse(time.RFC3339Nano, s)
	require.NoError(t, err)
	return want.UnixNano()
}

func TestTime(t *testing.T) {
	var c clock
	good := func(s string) {
		t.Helper()
		got, ok := c.parse([]byte(s))
		require.True(t, ok, s)
		require.Equal(t, nanos(t, s), got, s)
	}
	good(stamp)
	good("2026-11-24T10:11:13.1Z")
	good("2026-11-24T10:11:13Z")
	good("2024-02-29T23:59:59.999999999+05:30")
	good("2000-02-29T00:00:00.000000001-08:00")
	good("1970-01-01T00:00:00Z")
	good("2100-03-01T01:02:03.5+14:00")
	bad := func(s string) {
		t.Helper()
		_, ok := c.parse([]byte(s))
		require.False(t, ok, s)
	}
	for _, s := range []string{
		"", "2026-11-24T10:11:12", "2026-13-24T10:11:12Z", "2026-02-29T10:11:12Z", "2026-00-10T10:11:12Z",
		"2026-11-24T24:11:12Z", "2026-11-24T10:60:12Z", "2026-11-24T10:11:61Z", "2026-11-24T10:11:12.Z",
		"2026-11-24T10:11:12.5", "2026-11-24T10:11:12+2:00", "2026-11-24T10:11:12+02.00", "2026-11-24 10:11:12Z",
		"0001-01-01T00:00:00Z", "2107-01-01T00:00:00Z", "20x6-11-24T10:11:12Z", "2026-11-24T10:11:1xZ",
	} {
		bad(s)
	}
}

func TestCRI(t *testing.T) {
	var p CRI
	good := func(line string, stream Stream, partial bool, log string) {
		t.Helper()
		var l Line
		require.True(t, p.Parse([]byte(line), &l), line)
		require.Equal(t, nanos(t, stamp), l.Time)
		require.Equal(t, []any{stream, partial, log}, []any{l.Stream, l.Partial, string(l.Log)})
	}
	good(stamp+" stdout F hello  world ", Stdout, false, "hello  world ")
	good(stamp+" stderr P half", Stderr, true, "half")
	good(stamp+" stdout F ", Stdout, false, "")
	good(stamp+" stdout F", Stdout, false, "")
	good(stamp+" stdout P:x:y tagged", Stdout, true, "tagged")
	good(stamp+" stdout F \xff\x00", Stdout, false, "\xff\x00")
	good("2026-11-24T12:11:12.123456789+02:00 stdout F zone", Stdout, false, "zone")
	for _, line := range []string{"", "hello", stamp, stamp + " stdout", stamp + " stdout X a", stamp + " stdout FP a",
		stamp + "  F a", "yesterday stdout F a", stamp + " stdout  a"} {
		var l Line
		require.False(t, p.Parse([]byte(line), &l), line)
	}
}

func TestDocker(t *testing.T) {
	var p Docker
	good := func(line string, stream Stream, partial bool, log string) {
		t.Helper()
		var l Line
		require.True(t, p.Parse([]byte(line), &l), line)
		require.Equal(t, nanos(t, stamp), l.Time)
		require.Equal(t, []any{stream, partial, log}, []any{l.Stream, l.Partial, string(l.Log)})
	}
	tail := `,"stream":"stdout","time":"` + stamp + `"}`
	good(`{"log":"hello\n"`+tail, Stdout, false, "hello")
	good(`{"log":"half"`+tail, Stdout, true, "half")
	good(`{"log":""`+tail, Stdout, true, "")
	good(`{"log":"\n"`+tail, Stdout, false, "")
	good(`{"log":"a\r\n\n"`+tail, Stdout, false, "a\r\n")
	good(`{"log":"q\"b\\s\/\b\f\t é \u00e9 \ud83d\ude00 \ud83d \ude00x \ud83dA\n"`+tail, Stdout, false,
		"q\"b\\s/\b\f\t é é 😀 \ufffd \ufffdx \ufffdA")
	good("{\"log\":\"raw \xff\\n\""+tail, Stdout, false, "raw \xff")
	good(`{"log":"x\n","stream":"stderr","attrs":{"a":"}{\"","b":[1,{"c":null}]},"time":"`+stamp+`"}`, Stderr, false, "x")
	good(` { "time" : "`+stamp+`" , "n": 1.5e3 , "log" : "x\n" } `, Stdout, false, "x")
	good(`{"log":"{\"message\":\"Hello world\"}\n"`+tail, Stdout, false, `{"message":"Hello world"}`)
	for _, line := range []string{
		"", "hello", "{}", "{", `{"log"`, `{"log":`, `{"log":"x`, `{"log":"x\`, `{"log":"x\n"}`, `{"log":"x\n"` + tail + "x",
		`{"log":"\x"` + tail, `{"log":"\u12"` + tail, `{"log":"\u12g4"` + tail, `{"log":1` + tail, `{"log":"x\n","time":"never"}`,
		`{"log":"x\n",}`, `{"a":,"log":"x\n"` + tail, `{"a":[1,"log":"x\n"`, `{"log":"x\n"` + strings.TrimSuffix(tail, "}"),
	} {
		var l Line
		require.False(t, p.Parse([]byte(line), &l), line)
	}
}

func TestNoAllocation(t *testing.T) {
	var cri CRI
	var docker Docker
	var l Line
	a, b := []byte(stamp+" stdout F hello"), []byte(`{"log":"a \"b\"\n","stream":"stdout","time":"`+stamp+`"}`)
	docker.Parse(b, &l)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		cri.Parse(a, &l)
		docker.Parse(b, &l)
	}))
}

func FuzzCRI(f *testing.F) {
	f.Add([]byte(stamp + " stdout F hello"))
	f.Add([]byte("2026-11-24T12:11:12.1+02:00 stderr P:x a"))
	var p CRI
	f.Fuzz(func(t *testing.T, line []byte) {
		var l Line
		if !p.Parse(line, &l) {
			return
		}
		word, _, _ := strings.Cut(string(line), " ")
		if want, err := time.Parse(time.RFC3339Nano, word); err == nil {
			require.Equal(t, want.UnixNano(), l.Time)
		}
		require.True(t, strings.HasSuffix(string(line), string(l.Log)))
	})
}

func FuzzDocker(f *testing.F) {
	f.Add([]byte(`{"log":"a \"b\" \ud83d\ude00\n","stream":"stdout","attrs":{"a":[1]},"time":"` + stamp + `"}`))
	f.Add([]byte(`{"log":"half","stream":"stderr","time":"` + stamp + `"}`))
	var p Docker
	f.Fuzz(func(t *testing.T, line []byte) {
		var want struct {
			Log, Stream, Time string
		}
		var l Line
		got := p.Parse(line, &l)
		exact := json.Unmarshal(line, &want) == nil && utf8.Valid(line) && plainKeys(line)
		if !exact || !got {
			return
		}
		log := string(l.Log)
		if !l.Partial {
			log += "\n"
		}
		require.Equal(t, want.Log, log)
	})
}

// plainKeys says that the three keys are there once each, written as Docker
// does: the library matches them whatever their case.
func plainKeys(line []byte) bool {
	s := strings.ToLower(string(line))
	return strings.Count(s, "log") == 1 && strings.Contains(string(line), `"log"`) && !strings.Contains(s, `\u00`) && !strings.Contains(s, "null")
}

func BenchmarkCRI(b *testing.B) {
	line := []byte(stamp + " stdout F " + strings.Repeat("x", 170))
	var p CRI
	var l Line
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		p.Parse(line, &l)
	}
}

func BenchmarkDocker(b *testing.B) {
	line := []byte(`{"log":"{\"level\":\"info\",\"msg\":\"` + strings.Repeat("x", 130) + `\"}\n","stream":"stdout","time":"` + stamp + `"}`)
	var p Docker
	var l Line
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		p.Parse(line, &l)
	}
}
