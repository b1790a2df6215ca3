package forward

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"
)

// Two entries with EventTime 1 s + 2 ns and 3 s, records {"log":"a"} and {}.
const goldenEntries = "92" + "d7000000000100000002" + "81a36c6f67a161" + "92" + "c708000000000300000000" + "80"

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func zstandard(b []byte) []byte {
	w, _ := zstd.NewWriter(nil)
	return w.EncodeAll(b, nil)
}

// frames returns one frame of each form, made by hand.
func frames(t testing.TB) map[string][]byte {
	entries := unhex(t, goldenEntries)
	packed := func(body []byte, options FrameOptions) []byte {
		return AppendOptions(append(AppendPackedHeader(nil, "a.b", len(body)), body...), options)
	}
	members := append(gzipped(entries[:18]), gzipped(entries[18:])...)
	return map[string][]byte{
		"message":          unhex(t, "93 a3612e62 d7000000000100000002 81a36c6f67a161"),
		"message, options": unhex(t, "94 c403612e62 d7000000000100000002 81a36c6f67a161 81 a56368756e6b a178"),
		"message, nil":     unhex(t, "94 a3612e62 c0 81a36c6f67a161 c0"),
		"message, seconds": unhex(t, "93 a3612e62 01 81a36c6f67a161"),
		"forward":          unhex(t, "92 a3612e62 92"+goldenEntries),
		"forward, options": unhex(t, "93 a3612e62 92"+goldenEntries+"82 a56368756e6b a178 a473697a65 02"),
		"packed":           unhex(t, "92 a3612e62 c41f"+goldenEntries),
		"packed as str":    unhex(t, "92 a3612e62 d91f"+goldenEntries),
		"packed, options":  packed(entries, FrameOptions{Chunk: "x", Size: 2, Common: []byte{0x80}}),
		"gzip":             packed(members, FrameOptions{Chunk: "x", Compressed: "gzip"}),
		"zstd":             packed(zstandard(entries), FrameOptions{Chunk: "x", Compressed: "zstd"}),
		"text":             packed(entries, FrameOptions{Chunk: "x", Compressed: "text"}),
		"fluent bit":       unhex(t, "93 a3612e62 dc0001 92 92 d7000000000100000002 81a16d01 81a36c6f67a161 81 ad666c75656e745f7369676e616c 00"),
		"json message":     []byte(`["a.b",1.000000002,{"log":"a"},{"chunk":"x"}]`),
		"json forward":     []byte("\n[\"a.b\", [[1, {\"log\":\"a\"}], [3, {}], 7]]\n")[1:],
	}
}

func decodeAll(t testing.TB, r io.Reader) []*Chunk {
	t.Helper()
	d := NewDecoder(r, Limits{})
	var chunks []*Chunk
	for {
		c, err := d.Next()
		if errors.Is(err, io.EOF) {
			return chunks
		}
		require.NoError(t, err)
		require.NoError(t, c.Decompress(1<<20))
		chunks = append(chunks, c)
	}
}

func TestEveryFormOfFrame(t *testing.T) {
	for name, raw := range frames(t) {
		for how, r := range map[string]io.Reader{"whole": bytes.NewReader(raw), "byte by byte": iotest.OneByteReader(bytes.NewReader(raw))} {
			t.Run(name+" "+how, func(t *testing.T) {
				chunks := decodeAll(t, r)
				require.Len(t, chunks, 1)
				c := chunks[0]
				require.Equal(t, "a.b", c.Tag)
				it := NewIterator(c.Entries)
				require.True(t, it.Next())
				require.Equal(t, unhex(t, "81a36c6f67a161"), it.Entry.Record)
				switch name {
				case "message, nil":
					require.Zero(t, it.Entry.Time)
				case "message, seconds", "json forward":
					require.EqualValues(t, 1e9, it.Entry.Time)
				default:
					require.EqualValues(t, 1e9+2, it.Entry.Time)
				}
				wantTwo := !strings.Contains(name, "message") && name != "fluent bit"
				require.Equal(t, wantTwo, it.Next())
				require.False(t, it.Next())
				require.NoError(t, it.Err)
				hasID := strings.Contains(name, "options") || name == "gzip" || name == "zstd" || name == "text" || name == "json message"
				require.Equal(t, hasID, c.FrameOptions.Chunk == "x")
			})
		}
	}
}

func TestMetadataOfFluentBit(t *testing.T) {
	c := decodeAll(t, bytes.NewReader(frames(t)["fluent bit"]))[0]
	it := NewIterator(c.Entries)
	require.True(t, it.Next())
	require.Equal(t, unhex(t, "81a16d01"), it.Entry.Metadata)
}

func TestManyFramesAndKeepAlives(t *testing.T) {
	var stream []byte
	n := 0
	for round := range 50 {
		for name, raw := range frames(t) {
			if !strings.HasPrefix(name, "json") {
				stream = append(append(stream, raw...), 0xc0)
				n++
			}
		}
		big := make([]byte, 10_000*round)
		stream = AppendOptions(append(AppendPackedHeader(stream, "big", len(big)), big...), FrameOptions{})
		n++
	}
	chunks := decodeAll(t, bytes.NewReader(stream))
	require.Len(t, chunks, n)
	for _, c := range chunks { // none was written over by a later one
		if c.Tag == "a.b" {
			it := NewIterator(c.Entries)
			require.True(t, it.Next())
			require.Equal(t, unhex(t, "81a36c6f67a161"), it.Entry.Record)
		}
	}
}

func TestTimes(t *testing.T) {
	for raw, want := range map[string]int64{
		"c0": 0, "00": 0, "7f": 127e9, "ce80000000": 2147483648e9, "d280000000": 2147483648e9, "cf0000000000000001": 1e9,
		"cb3ff8000000000000": 1.5e9, "ca3fc00000": 1.5e9, "d7000000000100000002": 1e9 + 2, "c708000000000100000002": 1e9 + 2,
	} {
		got, err := ParseTime(unhex(t, raw))
		require.NoError(t, err, raw)
		require.Equal(t, want, got, raw)
	}
	for _, raw := range []string{"", "ff80", "d3ffffffff00000000", "cfffffffffffffffff", "cb7ff8000000000000", "cbbff0000000000000", "a131", "80", "d7010000000100000002", "d70000"} {
		_, err := ParseTime(unhex(t, raw))
		if raw == "ff80" { // -1 as 32 bits
			require.NoError(t, err)
			continue
		}
		require.Error(t, err, raw)
	}
	const now = 1_764_000_000_123_456_789
	got, err := ParseTime(AppendEventTime(nil, now))
	require.NoError(t, err)
	require.EqualValues(t, now, got)
	require.Equal(t, AppendEventTime(nil, 0), AppendEventTime(nil, -5))
}

func TestBadFrames(t *testing.T) {
	deep := append(unhex(t, "93 a161 00 81a161"), bytes.Repeat([]byte{0x91}, 200)...)
	bomb := AppendOptions(append(AppendPackedHeader(nil, "a", 1000), make([]byte, 1000)...), FrameOptions{Compressed: "gzip"})
	for name, c := range map[string]struct {
		raw  []byte
		want error
	}{
		"no array":          {unhex(t, "a161"), ErrMalformed},
		"one element":       {unhex(t, "91a161"), ErrMalformed},
		"five elements":     {unhex(t, "95a161"), ErrMalformed},
		"tag is a number":   {unhex(t, "920101"), ErrMalformed},
		"message of two":    {unhex(t, "92a16101"), ErrMalformed},
		"no such byte":      {unhex(t, "93a161c1"), ErrMalformed},
		"too deep":          {deep, ErrDepth},
		"long tag":          {unhex(t, "92db7fffffff"), ErrTooLong},
		"long body":         {unhex(t, "92a161c6ffffffff"), ErrTooLong},
		"many elements":     {unhex(t, "92a161ddffffffff"), ErrTooLong},
		"options no map":    {unhex(t, "93a161c40001"), ErrMalformed},
		"chunk no text":     {unhex(t, "93a161c40081a56368756e6b01"), ErrMalformed},
		"not gzip":          {bomb, ErrMalformed},
		"cut":               {unhex(t, "92a161c40a00"), io.ErrUnexpectedEOF},
		"cut in the head":   {unhex(t, "92a161"), io.ErrUnexpectedEOF},
		"json object":       {[]byte(`{"a":1}`), ErrMalformed},
		"json garbage":      {[]byte(`[}`), ErrMalformed},
		"json without tag":  {[]byte(`[1,2,3]`), ErrMalformed},
		"json of two":       {[]byte(`["a",2]`), ErrMalformed},
		"json nested":       {[]byte(`["a",1,` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `]`), ErrDepth},
		"json without end":  {append([]byte(`["a",1,"`), bytes.Repeat([]byte("x"), 3<<20)...), ErrTooLong},
		"unknown packing":   {AppendOptions(append(AppendPackedHeader(nil, "a", 1), 0), FrameOptions{Compressed: "lzma"}), ErrMalformed},
		"zstd of something": {AppendOptions(append(AppendPackedHeader(nil, "a", 1), 0), FrameOptions{Compressed: "zstd"}), ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			chunk, err := NewDecoder(bytes.NewReader(c.raw), Limits{ChunkBytes: 2 << 20}).Next()
			if err == nil {
				err = chunk.Decompress(1 << 20)
			}
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestDecompressionStopsAtTheLimit(t *testing.T) {
	zeros := make([]byte, 4<<20)
	for _, c := range []*Chunk{
		{Entries: gzipped(zeros), FrameOptions: FrameOptions{Compressed: "gzip"}, Mode: ModeCompressed},
		{Entries: zstandard(zeros), FrameOptions: FrameOptions{Compressed: "zstd"}, Mode: ModeCompressed},
	} {
		require.ErrorIs(t, c.Decompress(len(zeros)-1), ErrTooLong)
		require.NoError(t, c.Decompress(len(zeros)))
		require.Len(t, c.Entries, len(zeros))
	}
}

func TestLargeChunksAreMeasuredFirst(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789abcdef"), (6*trusted+160)/16)
	for name, packed := range map[string][]byte{"gzip": gzipped(large), "zstd": zstandard(large)} {
		decompress := func(limit int) (*Chunk, error) {
			c := &Chunk{Entries: packed, FrameOptions: FrameOptions{Compressed: name}, Mode: ModeCompressed}
			return c, c.Decompress(limit)
		}
		c, err := decompress(len(large))
		require.NoError(t, err)
		require.True(t, bytes.Equal(large, c.Entries), name)

		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = decompress(len(large) - 1)
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, err, ErrTooLong)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(len(large)), "what is too long costs no memory")
	}
}

func TestBadEntriesArePassedOver(t *testing.T) {
	good := unhex(t, goldenEntries)
	b := append([]byte{}, good...)
	b = append(b, unhex(t, "01 9101 9201a161 920180")...)
	it := NewIterator(append(b, 0xc1))
	n := 0
	for it.Next() {
		n++
	}
	require.Equal(t, 3, n)
	require.Equal(t, 4, it.Bad)
	require.ErrorIs(t, it.Err, ErrMalformed)
	require.Equal(t, 2, CountEntries(good))
}

func FuzzDecoder(f *testing.F) {
	for _, raw := range frames(f) {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := NewDecoder(bytes.NewReader(b), Limits{ChunkBytes: 1 << 20})
		total := 0
		for {
			c, err := d.Next()
			if err != nil {
				require.Nil(t, nilIfErr(c, err))
				return
			}
			if c.Decompress(1<<20) == nil {
				total += CountEntries(c.Entries)
			}
		}
	})
}

func nilIfErr(c *Chunk, err error) any {
	if err != nil {
		return nil
	}
	return c
}

func FuzzEntries(f *testing.F) {
	f.Add(unhex(f, goldenEntries))
	f.Add(unhex(f, "9292d7000000000100000002 81a16d01 81a36c6f67a161"))
	f.Fuzz(func(t *testing.T, b []byte) {
		it := NewIterator(b)
		for it.Next() {
			pairs, _, err := ReadMapHead(it.Entry.Record)
			require.NoError(t, err)
			rest, err := msgp.Skip(it.Entry.Record)
			require.NoError(t, err, "what we take, others can read")
			require.Empty(t, rest)
			require.GreaterOrEqual(t, pairs, 0)
		}
	})
}

func FuzzHandshake(f *testing.F) {
	c := Credentials{Hostname: "s", SharedKey: "k", Users: map[string]string{"u": "p"}}
	h := hello{nonce: newSalt(), auth: newSalt()}
	p := newPing(Credentials{Hostname: "c", SharedKey: "k", Users: map[string]string{"u": "p"}}, h)
	f.Add(h.append(nil))
	f.Add(p.append(nil))
	f.Add(newPong(c, p, h, "").append(nil))
	f.Add(unhex(f, "81a361636ba178"))
	f.Fuzz(func(t *testing.T, b []byte) {
		raw, err := (&stream{source: bytes.NewReader(b), limit: 1 << 20}).message()
		if err != nil {
			return
		}
		parseHello(raw)
		parseAck(raw)
		if p, err := parsePing(raw); err == nil && c.check(p, hello{nonce: []byte("other")}) == "" {
			t.Fatal("accepted without the key")
		}
		if p, err := parsePong(raw); err == nil {
			require.Error(t, p.verify(c, ping{salt: []byte("other")}, h))
		}
	})
}
