package remotewrite

import (
	"testing"

	"github.com/prometheus/prometheus/prompb"
	"github.com/stretchr/testify/require"
)

func rawRequest(t testing.TB) []byte {
	var raw []byte
	e := newEncoder("box", 1<<20, func(r *request) { raw = r.encode(raw) })
	e.encode(noon, many(2), nil)
	return raw
}

func TestBothVersionsSayTheSame(t *testing.T) {
	raw := rawRequest(t)
	old, err := toV1(raw)
	require.NoError(t, err)
	require.Equal(t, decodeV2(t, raw), decodeV1(t, old))
	require.Greater(t, len(decodeV1(t, old)), 100)
}

func TestABadReferenceIsAnError(t *testing.T) {
	_, err := toV1([]byte{fieldSymbols<<3 | wireBytes, 0, fieldTimeSeries<<3 | wireBytes, 4, fieldLabelRefs<<3 | wireBytes, 2, 0, 1})
	require.ErrorIs(t, err, errReference)
}

func FuzzToV1(f *testing.F) {
	f.Add(rawRequest(f))
	f.Add([]byte{fieldSymbols<<3 | wireBytes, 0, fieldTimeSeries<<3 | wireBytes, 4, fieldLabelRefs<<3 | wireBytes, 2, 0, 1})
	f.Add([]byte{0x2a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, raw []byte) {
		old, err := toV1(raw)
		if err != nil {
			return
		}
		var request prompb.WriteRequest
		if err := request.Unmarshal(old); err != nil {
			t.Fatalf("the result cannot be read: %v", err)
		}
	})
}
