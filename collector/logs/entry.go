package logs

import (
	"encoding/binary"

	"github.com/tinylib/msgp/msgp"

	"github.com/lubberline/lubberline/collector/logs/parse"
	"github.com/lubberline/lubberline/logrecord"
)

// appendEntry appends a packed forward entry: [EventTime, {log, stream}].
func appendEntry(dst []byte, l *parse.Line) []byte {
	const second = 1_000_000_000
	dst = append(dst, 0x92, 0xd7, 0x00) // array of 2; EventTime is extension 0 of 8 bytes
	dst = binary.BigEndian.AppendUint32(dst, uint32(l.Time/second))
	dst = binary.BigEndian.AppendUint32(dst, uint32(l.Time%second))
	if l.Stream == parse.None {
		dst = msgp.AppendMapHeader(dst, 1)
	} else {
		dst = msgp.AppendMapHeader(dst, 2)
		dst = msgp.AppendString(dst, logrecord.FieldStream)
		dst = msgp.AppendString(dst, l.Stream.String())
	}
	dst = msgp.AppendString(dst, logrecord.FieldLog)
	return msgp.AppendStringFromBytes(dst, l.Log)
}
