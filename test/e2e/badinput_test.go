package e2e

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
	"github.com/golang/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/lubberline/lubberline/forward"
)

const gibibyte = 1 << 30

// sendBadWrites sends what is no remote write request.
func (m *machine) sendBadWrites() {
	t := m.api.t
	protobuf := http.Header{"Content-Type": {"application/x-protobuf"}, "Content-Encoding": {"snappy"}}
	json := http.Header{"Content-Type": {"application/json"}}
	for _, bad := range []struct {
		what   string
		header http.Header
		body   []byte
		status int
		text   string
	}{
		{"a JSON body", json, []byte(`{"up": 1}`), http.StatusUnsupportedMediaType, `"application/json"`},
		{"bytes that are no snappy", protobuf, bytes.Repeat([]byte{0xf7}, 100), http.StatusBadRequest, "snappy"},
		{"a message that is cut off", protobuf, snappy.Encode(nil, []byte{0x0a, 0x7f, 0x0a}), http.StatusBadRequest, "field 1"},
		{"1 GiB declared", protobuf, append(protowire.AppendVarint(nil, gibibyte), 0, 'x'), http.StatusRequestEntityTooLarge, strconv.Itoa(gibibyte)},
		{"32 MiB declared by a few bytes", protobuf, append(protowire.AppendVarint(nil, 32<<20), 0, 'x'), http.StatusBadRequest, "cannot hold"},
		{"too long a body", protobuf, make([]byte, 17<<20), http.StatusRequestEntityTooLarge, "larger than"},
		{"nothing", protobuf, nil, http.StatusBadRequest, "snappy"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.base+"/api/v1/write", bytes.NewReader(bad.body))
		require.NoError(t, err)
		request.Header = bad.header
		resp, err := http.DefaultClient.Do(request)
		require.NoError(t, err, bad.what)
		answer, err := io.ReadAll(resp.Body)
		require.NoError(t, err, bad.what)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, bad.status, resp.StatusCode, "%s: %s", bad.what, answer)
		require.Contains(t, string(answer), bad.text, bad.what)
	}
	m.eventually("the log tells of refused writes", func() error { return m.printed("remote write refused", "status=415") })
}

// sendBadFrames sends what is no forward protocol, each on a connection of its
// own: it is closed without an acknowledgement. A good client is served
// afterwards. The server is the one whose log and metrics tell of it.
func (m *machine) sendBadFrames(network, address, server string) {
	t := m.api.t
	frames := map[string][]byte{
		"no msgpack":             []byte("GET / HTTP/1.1\r\n\r\n"),
		"an array of the wrong":  msgp.AppendInt(msgp.AppendArrayHeader(nil, 2), 7),
		"a reserved byte":        {0x93, 0xc1, 0xc1, 0xc1},
		"4 GiB announced":        {0x93, 0xa1, 't', 0xc6, 0xff, 0xff, 0xff, 0xff},
		"gzip that is none":      packedFrame("gzip", []byte("not gzip at all")),
		"an unknown compression": packedFrame("lzma", []byte("xx")),
		"1 GiB of gzip":          packedFrame("gzip", gzipBomb(m)),
		"1 GiB of zstd":          packedFrame("zstd", zstdBomb(m)),
		"arrays within arrays":   bytes.Repeat([]byte{0x91}, 1<<20),
	}
	for what, frame := range frames {
		require.NoError(t, refused(network, address, frame), what)
		m.alive()
	}
	m.eventually("the log tells of bad frames", func() error {
		return m.printed("bad forward frame", "component=forward")
	})
	m.expectClient(network, address)
	t.Logf("%s: %d bad frames refused", server, len(frames))
}

// refused sends a frame and wants the connection closed without an answer.
func refused(network, address string, frame []byte) error {
	c, err := net.Dial(network, address)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(waitLong)); err != nil {
		return err
	}
	_, _ = c.Write(frame) // the server may close before it has read all
	if half, ok := c.(interface{ CloseWrite() error }); ok && len(frame) < 1000 {
		_ = half.CloseWrite() // what is too short to be wrong ends here
	}
	answer, err := io.ReadAll(c)
	if e := net.Error(nil); errors.As(err, &e) && e.Timeout() {
		return fmt.Errorf("the connection stays open")
	}
	if len(answer) != 0 {
		return fmt.Errorf("answered with %q", answer)
	}
	return nil
}

func packedFrame(compression string, entries []byte) []byte {
	frame := forward.AppendPackedHeader(nil, "bad.frames", len(entries))
	frame = append(frame, entries...)
	return forward.AppendOptions(frame, forward.FrameOptions{Chunk: "bad", Compressed: compression})
}

func gzipBomb(m *machine) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	require.NoError(m.api.t, err)
	return bomb(m, &b, w)
}

func zstdBomb(m *machine) []byte {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	require.NoError(m.api.t, err)
	return bomb(m, &b, w)
}

// bomb is 1 GiB of the same good event, compressed.
func bomb(m *machine, b *bytes.Buffer, w io.WriteCloser) []byte {
	event := forward.AppendEventTime(msgp.AppendArrayHeader(nil, 2), time.Now().UnixNano())
	event = msgp.AppendMapHeader(event, 1)
	event = msgp.AppendString(msgp.AppendString(event, "log"), "boom")
	events := bytes.Repeat(event, 1<<20/len(event))
	for n := 0; n < gibibyte; n += len(events) {
		_, err := w.Write(events)
		require.NoError(m.api.t, err)
	}
	require.NoError(m.api.t, w.Close())
	return b.Bytes()
}

// expectClient has a record of a good client acknowledged and stored.
func (m *machine) expectClient(network, address string) {
	t := m.api.t
	cfg := fluent.Config{FluentNetwork: network, FluentSocketPath: address, RequestAck: true}
	if network == "tcp" {
		host, port, err := net.SplitHostPort(address)
		require.NoError(t, err)
		cfg.FluentHost = host
		cfg.FluentPort, err = strconv.Atoi(port)
		require.NoError(t, err)
	}
	client, err := fluent.New(cfg)
	require.NoError(t, err)
	defer client.Close()
	word := fmt.Sprintf("good-%d", time.Now().UnixNano())
	require.NoError(t, client.Post("good.client", map[string]string{"log": word}))
	m.eventually("the record of a good client is stored", func() error {
		var page logPage
		if err := m.json("/api/v1/logs?text="+word, &page); err != nil {
			return err
		}
		if len(page.Entries) != 1 {
			return fmt.Errorf("%d records", len(page.Entries))
		}
		return nil
	})
}
