package forwardinput

import (
	"strconv"
	"strings"
	"sync"

	"github.com/tinylib/msgp/msgp"

	"github.com/lubberline/lubberline/collector/logs"
	"github.com/lubberline/lubberline/forward"
	"github.com/lubberline/lubberline/logrecord"
)

// Fields that Docker's fluentd log driver writes. All are text. Labels and
// environment variables that the driver was told to add stay in the record.
const (
	driverContainerID   = "container_id"
	driverContainerName = "container_name"
	driverSource        = "source"
	driverPartial       = "partial_message"
	driverPartialID     = "partial_id"
	driverOrdinal       = "partial_ordinal"
	driverLast          = "partial_last"
)

// driver is a record of Docker's log driver. Byte slices refer to the chunk.
type driver struct {
	time          int64
	containerID   string
	containerName string
	stream        []byte
	log           []byte
	others        []byte // msgpack pairs
	otherPairs    int

	partial   bool
	partialID string
	ordinal   int
	last      bool
}

// parseDriver tells whether a record is of Docker's log driver: it has a
// container's id, a log and a source that is one of the two streams.
func parseDriver(e *forward.Entry) (driver, bool) {
	pairs, b, err := forward.ReadMapHead(e.Record)
	if err != nil {
		return driver{}, false
	}
	d := driver{time: e.Time}
	for range pairs {
		name, value, err := forward.ReadText(b)
		if err != nil {
			return driver{}, false
		}
		rest, err := forward.Skip(value)
		if err != nil {
			return driver{}, false
		}
		text, _, err := forward.ReadText(value)
		if err != nil || !d.set(string(name), text) {
			d.others = append(d.others, b[:len(b)-len(rest)]...)
			d.otherPairs++
		}
		b = rest
	}
	isStream := string(d.stream) == "stdout" || string(d.stream) == "stderr"
	return d, d.containerID != "" && d.log != nil && isStream
}

// set takes a field of the driver's; false for another one.
func (d *driver) set(name string, text []byte) bool {
	switch name {
	case driverContainerID:
		d.containerID = string(text)
	case driverContainerName:
		d.containerName = strings.TrimPrefix(string(text), "/")
	case driverSource:
		d.stream = text
	case logrecord.FieldLog:
		d.log = text
	case driverPartial:
		d.partial = string(text) == "true"
	case driverPartialID:
		d.partialID = string(text)
	case driverOrdinal:
		d.ordinal, _ = strconv.Atoi(string(text))
	case driverLast:
		d.last = string(text) == "true"
	default:
		return false
	}
	return true
}

// appendEntry appends the record as the tailer writes one, with a text in place
// of its own.
func (d *driver) appendEntry(dst, log []byte) []byte {
	dst = append(dst, 0x92)
	if d.time == 0 {
		dst = append(dst, 0)
	} else {
		dst = forward.AppendEventTime(dst, d.time)
	}
	dst = msgp.AppendMapHeader(dst, uint32(2+d.otherPairs))
	dst = msgp.AppendString(dst, logrecord.FieldStream)
	dst = msgp.AppendStringFromBytes(dst, d.stream)
	dst = msgp.AppendString(dst, logrecord.FieldLog)
	dst = msgp.AppendStringFromBytes(dst, log)
	return append(dst, d.others...)
}

// cachedCommons bounds the cache of common maps; a full one is emptied.
const cachedCommons = 4096

// commons makes and caches the common maps of containers.
type commons struct {
	containers Containers
	node       string
	plain      []byte // of records that are no container's

	mu    sync.Mutex
	known map[string]commonOf
}

type commonOf struct {
	source *logrecord.Source // as Lookup returned it
	name   string
	raw    []byte
}

func newCommons(c Containers, node string) *commons {
	return &commons{
		containers: c, node: node, known: make(map[string]commonOf),
		plain: logs.AppendCommon(nil, &logrecord.Source{Host: node}),
	}
}

// of returns the common map of a container, as the runtime knows it or else as
// its own records do. It must not be changed.
func (c *commons) of(id, name string) []byte {
	var source *logrecord.Source
	if c.containers != nil {
		source = c.containers.Lookup(id)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if have, ok := c.known[id]; ok && have.source == source && have.name == name {
		return have.raw
	}
	full := source
	if full == nil {
		full = &logrecord.Source{ContainerID: id, Container: name, Host: c.node}
	}
	if len(c.known) >= cachedCommons {
		clear(c.known)
	}
	raw := logs.AppendCommon(nil, full)
	c.known[id] = commonOf{source: source, name: name, raw: raw}
	return raw
}

// appendWhole appends the record as the driver sent it, for the journal.
func (d *driver) appendWhole(dst []byte) []byte {
	dst = forward.AppendEventTime(append(dst, 0x92), d.time)
	fields := []string{
		driverContainerID, d.containerID, driverContainerName, d.containerName, driverSource, string(d.stream),
		logrecord.FieldLog, string(d.log), driverPartial, "true", driverPartialID, d.partialID,
		driverOrdinal, strconv.Itoa(d.ordinal), driverLast, strconv.FormatBool(d.last),
	}
	dst = msgp.AppendMapHeader(dst, uint32(len(fields)/2+d.otherPairs))
	for _, s := range fields {
		dst = msgp.AppendString(dst, s)
	}
	return append(dst, d.others...)
}
