package logs

import (
	"strings"
	"sync"

	"github.com/lubberline/lubberline/forward"
	"github.com/lubberline/lubberline/logrecord"
)

const (
	// cachedSources and cachedCommons bound the caches; a full one is emptied.
	cachedSources = 10_000
	cachedCommons = 10_000
	// cachedKeyBytes is the longest description of a source that is cached.
	cachedKeyBytes = 64 << 10
	// nodeUser begins the common name of a node's certificate, as Kubernetes has
	// it.
	nodeUser = "system:node:"
)

// common is what the records of a chunk share. It is not changed once made.
type common struct {
	node   string // the only one that the sender may speak for; empty for any
	raw    string // its msgpack, as part of cache keys
	source *logrecord.Source
	stream string
	fields string // JSON object, empty when there are none
}

// sources decodes and caches where records come from, by the bytes of their
// description. All strings in it are copies.
type sources struct {
	controllers Controllers // may be nil

	mu      sync.RWMutex
	commons map[commonKey]*common
	sources map[string]*logrecord.Source
}

func newSources(c Controllers) *sources {
	return &sources{controllers: c, commons: make(map[commonKey]*common), sources: make(map[string]*logrecord.Source)}
}

// commonKey is a chunk's common map and who has sent it.
type commonKey struct{ node, raw string }

// nodeOf is the node as which a peer has shown a certificate.
func nodeOf(peer string) string {
	node, isNode := strings.CutPrefix(peer, nodeUser)
	if !isNode {
		return ""
	}
	return node
}

// common decodes a chunk's common map; nil or empty is a common of nothing.
// What a node sends is of that node, whatever it says.
func (s *sources) common(node string, b []byte) *common {
	s.mu.RLock()
	c := s.commons[commonKey{node, string(b)}]
	s.mu.RUnlock()
	if c != nil {
		return c
	}
	c = parseCommon(b)
	if c.node = node; node != "" {
		c.source = parseSource(c.source, nil, nil)
		c.source.Host = node
	}
	if known := s.join(c.source); !known || len(b) > cachedKeyBytes {
		return c
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.commons) >= cachedCommons {
		clear(s.commons)
	}
	s.commons[commonKey{node, c.raw}] = c
	return c
}

// parseCommon keeps what it understands of a map; the map was checked when its
// frame was read.
func parseCommon(b []byte) *common {
	c := &common{raw: string(b)}
	b = []byte(c.raw) // strings must not refer to the frame
	var kubernetes, docker []byte
	var extra []byte
	eachPair(b, func(name string, value []byte) {
		switch {
		case name == logrecord.FieldKubernetes && forward.IsMap(value):
			kubernetes = value
		case name == logrecord.FieldDocker && forward.IsMap(value):
			docker = value
		case name == logrecord.FieldStream && forward.IsText(value):
			c.stream = textOf(value)
		default:
			extra = append(extra, ',')
			extra = append(forward.AppendJSONText(extra, []byte(name)), ':')
			extra, _, _ = forward.AppendJSON(extra, value)
		}
	})
	if kubernetes != nil || docker != nil {
		c.source = parseSource(nil, kubernetes, docker)
	}
	if len(extra) > 0 {
		extra[0] = '{'
		c.fields = string(append(extra, '}'))
	}
	return c
}

// of returns the source that a record names, on top of the chunk's own. scratch
// is reused for the key.
func (s *sources) of(c *common, f *raw, scratch *[]byte) *logrecord.Source {
	key := append(append((*scratch)[:0], c.node...), 0xc1)
	key = append(key, c.raw...)
	for _, part := range [][]byte{f.kubernetes, f.docker, f.driverID, f.driverName} {
		key = append(append(key, 0xc1), part...) // 0xc1 begins no value
	}
	*scratch = key
	s.mu.RLock()
	source := s.sources[string(key)]
	s.mu.RUnlock()
	if source != nil {
		return source
	}
	source = parseSource(c.source, f.kubernetes, f.docker)
	if c.node != "" {
		source.Host = c.node
	}
	if f.driverID != nil {
		source.ContainerID = validString(string(f.driverID))
		source.Container = validString(strings.TrimPrefix(string(f.driverName), "/"))
	}
	if known := s.join(source); !known || len(key) > cachedKeyBytes {
		return source
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sources) >= cachedSources {
		clear(s.sources)
	}
	s.sources[string(key)] = source
	return source
}

// join adds the pod's controller. False: the pod is not known yet, so the source
// must be looked at again with the next record.
func (s *sources) join(source *logrecord.Source) (known bool) {
	if s.controllers == nil || source == nil || source.Pod == "" {
		return true
	}
	source.Controller, known = s.controllers.Controller(source.Namespace, source.Pod)
	return known
}

// parseSource reads the maps that Fluentd's Kubernetes plugin writes, on top of
// base; each may be nil.
func parseSource(base *logrecord.Source, kubernetes, docker []byte) *logrecord.Source {
	s := &logrecord.Source{}
	if base != nil {
		*s = *base
	}
	fields := map[string]*string{
		logrecord.FieldNamespace: &s.Namespace, logrecord.FieldPod: &s.Pod, logrecord.FieldPodUID: &s.PodUID,
		logrecord.FieldContainer: &s.Container, logrecord.FieldImage: &s.Image, logrecord.FieldHost: &s.Host,
		// Fluent Bit's kubernetes filter writes these
		"docker_id": &s.ContainerID,
	}
	eachPair(kubernetes, func(name string, value []byte) {
		if name == logrecord.FieldLabels && forward.IsMap(value) {
			s.Labels = parseLabels(value)
			return
		}
		if field := fields[name]; field != nil && forward.IsText(value) {
			*field = textOf(value)
		}
	})
	eachPair(docker, func(name string, value []byte) {
		if name == logrecord.FieldContainerID && forward.IsText(value) {
			s.ContainerID = textOf(value)
		}
	})
	return s
}

func parseLabels(b []byte) map[string]string {
	labels := make(map[string]string)
	eachPair(b, func(name string, value []byte) {
		if forward.IsText(value) {
			labels[name] = textOf(value)
		}
	})
	return labels
}

// eachPair calls f for the pairs of a map whose names are text. It ends where
// the bytes end.
func eachPair(b []byte, f func(name string, value []byte)) {
	if len(b) == 0 {
		return
	}
	pairs, b, err := forward.ReadMapHead(b)
	for i := 0; i < pairs && err == nil; i++ {
		var value, rest []byte
		if value, err = forward.Skip(b); err != nil {
			return
		}
		if rest, err = forward.Skip(value); err != nil {
			return
		}
		if forward.IsText(b) {
			f(textOf(b), value[:len(value)-len(rest)])
		}
		b = rest
	}
}

// textOf copies text.
func textOf(b []byte) string {
	text, _, _ := forward.ReadText(b)
	return validString(string(text))
}
