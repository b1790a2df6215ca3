package forward

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAppendJSON(t *testing.T) {
	for raw, want := range map[string]string{
		"c0": `null`, "c3": `true`, "c2": `false`, "07": `7`, "ff": `-1`, "cfffffffffffffffff": `18446744073709551615`,
		"d1ff00": `-256`, "cb3ff8000000000000": `1.5`, "cb7ff8000000000000": `null`, "ca3fc00000": `1.5`,
		"a3610a22": `"a\n\""`, "c40361ff62": `"a` + "\ufffd" + `b"`, "a101": `"\u0001"`, "a2c3a9": `"é"`,
		"9201c0": `[1,null]`, "82a16101a16280": `{"a":1,"b":{}}`, "810102": `{"1":2}`, "81a1ff01": `{"` + "\ufffd" + `":1}`,
		"d7000000000100000002": `"1970-01-01T00:00:01.000000002Z"`, "d40561": `"YQ=="`,
	} {
		got, rest, err := AppendJSON(nil, append(unhex(t, raw), 0x55))
		require.NoError(t, err, raw)
		require.Equal(t, want, string(got), raw)
		require.Equal(t, []byte{0x55}, rest, raw)
	}
}

func FuzzAppendJSON(f *testing.F) {
	f.Add(unhex(f, "82a16101a162930180c0"))
	f.Fuzz(func(t *testing.T, b []byte) {
		out, rest, err := AppendJSON(nil, b)
		after, skipErr := Skip(b)
		require.Equal(t, skipErr == nil, err == nil)
		if err == nil {
			require.True(t, json.Valid(out), "%s", out)
			require.Equal(t, after, rest)
		}
	})
}
