package network

import (
	"bytes"

	"github.com/lubberline/lubberline/collector/reading"
)

// nextNetDev reads the next interface of a /proc/PID/net/dev file, the loopback
// device left out. ok is false at the end. name is part of text.
func nextNetDev(text []byte) (name []byte, io reading.NetIO, rest []byte, ok bool) {
	for len(text) > 0 {
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line, text = text[:i], text[i+1:]
		} else {
			text = nil
		}
		// "  eth0: 1 2 …"; the header's lines have no colon, a name may.
		i := bytes.LastIndexByte(line, ':')
		if i < 0 {
			continue
		}
		name := bytes.TrimLeft(line[:i], " ")
		if io, ok := parseNetDevLine(line[i+1:]); ok && len(name) > 0 && string(name) != "lo" {
			return name, io, text, true
		}
	}
	return nil, io, nil, false
}

// parseNetDevLine reads the sixteen figures after the name.
func parseNetDevLine(b []byte) (io reading.NetIO, ok bool) {
	var v [16]uint64
	for i := range v {
		for len(b) > 0 && b[0] == ' ' {
			b = b[1:]
		}
		n := 0
		for ; n < len(b) && b[n] >= '0' && b[n] <= '9'; n++ {
			v[i] = v[i]*10 + uint64(b[n]-'0')
		}
		if n == 0 || n > 20 {
			return io, false
		}
		b = b[n:]
	}
	return reading.NetIO{
		RxBytes: v[0], RxPackets: v[1], RxErrors: v[2], RxDropped: v[3],
		TxBytes: v[8], TxPackets: v[9], TxErrors: v[10], TxDropped: v[11],
	}, true
}

// appendNetDev appends the interfaces of a net/dev file to dst. names spares an
// allocation for each name that was read before.
func appendNetDev(text []byte, names map[string]string, dst []reading.NetIO) []reading.NetIO {
	for {
		name, io, rest, ok := nextNetDev(text)
		if !ok {
			return dst
		}
		known, ok := names[string(name)]
		if !ok {
			known = string(name)
			names[known] = known
		}
		io.Interface = known
		dst, text = append(dst, io), rest
	}
}
