package chunk

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func sample() Chunk {
	return Chunk{
		ID: "abc", Tag: "kubernetes.default.web.nginx", Count: 2,
		Common: []byte{0x81, 0xa1, 'a', 0xa1, 'b'}, Entries: []byte{0x92, 1, 0x80, 0x92, 2, 0x80},
		Advance: []Position{
			{Device: 2049, Inode: 1 << 60, Seen: 1 << 60, Done: true, Fingerprint: 7, FingerprintLen: 1024, Tail: 9, End: 1 << 40, From: [2]int64{5, 1 << 40}, Path: "/var/log/a.log"},
			{Inode: 3},
		},
	}
}

func TestRoundTrip(t *testing.T) {
	for _, want := range []Chunk{{Common: []byte{}, Entries: []byte{}}, sample()} {
		data := AppendEncode([]byte("x"), &want)
		got, err := Decode(data[1:])
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestDecodeBad(t *testing.T) {
	c := sample()
	good := AppendEncode(nil, &c)
	for n := range good {
		_, err := Decode(good[:n])
		require.Error(t, err, "%d bytes", n)
	}
	bad := func(data []byte, want error) {
		t.Helper()
		_, err := Decode(data)
		require.ErrorIs(t, err, want)
	}
	bad([]byte{9}, ErrVersion)
	bad(append(good[:len(good):len(good)], 0), ErrSurplus)
	bad([]byte{1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x7f}, ErrRange)                      // count
	bad([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, ErrRange) // length beyond int64
	bad([]byte{1, 0xff, 0xff, 0xff, 0x7f, 0}, ErrShort)                               // length beyond the data
	bad([]byte{1, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x7f}, ErrShort)             // more positions than fit
}

func TestStart(t *testing.T) {
	require.EqualValues(t, 4, Position{End: 10, From: [2]int64{10, 4}}.Start())
	require.EqualValues(t, 10, Position{End: 10, From: [2]int64{10, 10}}.Start())
}

func TestDecodeRefersToData(t *testing.T) {
	c := sample()
	data := AppendEncode(nil, &c)
	got, err := Decode(data)
	require.NoError(t, err)
	for i := range data {
		data[i] = 0
	}
	require.Equal(t, make([]byte, len(c.Entries)), got.Entries)
}

func FuzzDecode(f *testing.F) {
	c := sample()
	f.Add(AppendEncode(nil, &c))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Decode(data)
		if err != nil {
			return
		}
		again, err := Decode(AppendEncode(nil, &c))
		require.NoError(t, err)
		require.Equal(t, c, again)
	})
}
