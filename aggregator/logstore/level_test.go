package logstore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/logrecord"
)

func TestDetectLevel(t *testing.T) {
	for line, want := range map[string]Level{
		`{"level":"info","msg":"x"}`:                                 LevelInfo,
		`{"ts":1.5,"msg":"level \"error\": no","Level" : "WARNING"}`: LevelWarn,
		`{"severity":"ERROR"}`:                                       LevelError,
		`{"lvl":"dbug","level":"debug"}`:                             LevelDebug,
		`{"time":1,"level":50,"name":"pino"}`:                        LevelError,
		`{"log.level":"fatal"}`:                                      LevelFatal,
		`{"msg":"level","x":"error"}`:                                LevelUnknown,
		`{"msg":"unterminated`:                                       LevelUnknown,
		`{"level":`:                                                  LevelUnknown,
		`{"level":null,"severity":"crit"}`:                           LevelFatal,
		`time=2026 level=warn msg="x"`:                               LevelWarn,
		`ts=1 lvl=eror level="error" m=1`:                            LevelError,
		`sublevel=error x`:                                           LevelUnknown,
		`I1124 17:03:04.000000 1 main.go:1] hi`:                      LevelInfo,
		`W1124 17:03:04.000000 1 main.go:1] hi`:                      LevelWarn,
		`E1124 17:03:04.000000 1 main.go:1] hi`:                      LevelError,
		`F1124 17:03:04.000000 1 main.go:1] hi`:                      LevelFatal,
		`X1124 17:03:04.000000 1 main.go:1] hi`:                      LevelUnknown,
		`2026-11-24 10:00:00.123 [ERROR] no`:                         LevelError,
		`2026-11-24 10:00:00.123 [warn] no`:                          LevelWarn,
		`2026-11-24T10:00:00Z INFO server started`:                   LevelInfo,
		`2026-11-24 10:00:00 UTC [12] FATAL:  role does not exist`:   LevelFatal,
		`[2026-11-24 10:00:00] app.CRITICAL: no`:                     LevelUnknown,
		`DEBUG starting`:                                             LevelDebug,
		`error: cannot open`:                                         LevelError,
		`npm WARN deprecated`:                                        LevelWarn,
		`WARNING: something`:                                         LevelWarn,
		`panic: runtime error: index out of range`:                   LevelFatal,
		`2026/11/24 10:00:00 [notice] 1#1: start worker processes`:   LevelInfo,
		`<info> dhcp`:                                                LevelInfo,
		`TRACE x`:                                                    LevelTrace,
		`there was no error in this line`:                            LevelUnknown,
		`GET /info HTTP/1.1`:                                         LevelUnknown,
		`information desk`:                                           LevelUnknown,
		``:                                                           LevelUnknown,
		`   `:                                                        LevelUnknown,
		`10.0.0.1 - - [24/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200`: LevelUnknown,
	} {
		require.Equal(t, want.String(), DetectLevel(line).String(), line)
	}
	require.Equal(t, LevelError, levelOf(&logrecord.Record{Log: "INFO x", Fields: `{"level":"error"}`}))
	require.Equal(t, LevelInfo, levelOf(&logrecord.Record{Log: "INFO x", Fields: `{"a":1}`}))
}

func TestParseLevel(t *testing.T) {
	for text, want := range map[string]Level{"": LevelUnknown, "unknown": LevelUnknown, "WARNING": LevelWarn, "err": LevelError, "Fatal": LevelFatal} {
		got, ok := ParseLevel(text)
		require.True(t, ok, text)
		require.Equal(t, want, got, text)
	}
	_, ok := ParseLevel("loud")
	require.False(t, ok)
	require.Empty(t, Level(200).String())
}

func FuzzDetectLevel(f *testing.F) {
	for _, s := range []string{`{"level":"info"}`, `level=warn`, `I1124 17:03:04.0 x`, `[ERROR] x`, `{"a\\":"b`, "\xff\x00="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if l := DetectLevel(s); l > LevelFatal {
			t.Fatalf("level %d", l)
		}
		if n := testing.AllocsPerRun(1, func() { DetectLevel(s) }); n > 0 {
			t.Fatalf("%v allocations", n)
		}
	})
}
