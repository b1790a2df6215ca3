package logs

import (
	"maps"
	"slices"

	"github.com/tinylib/msgp/msgp"

	"github.com/lubberline/lubberline/logrecord"
)

// AppendCommon appends the msgpack map of what the records of a source have in
// common: kubernetes and docker, without fields that are empty. Nothing is
// appended when all are.
func AppendCommon(dst []byte, s *logrecord.Source) []byte {
	kubernetes := pairs(
		logrecord.FieldNamespace, s.Namespace, logrecord.FieldPod, s.Pod, logrecord.FieldPodUID, s.PodUID,
		logrecord.FieldContainer, s.Container, logrecord.FieldImage, s.Image, logrecord.FieldHost, s.Host)
	docker := pairs(logrecord.FieldContainerID, s.ContainerID)
	withKubernetes := len(kubernetes) > 0 || len(s.Labels) > 0
	var n uint32
	if withKubernetes {
		n++
	}
	if len(docker) > 0 {
		n++
	}
	if n == 0 {
		return dst
	}
	dst = msgp.AppendMapHeader(dst, n)
	if withKubernetes {
		dst = msgp.AppendString(dst, logrecord.FieldKubernetes)
		dst = appendKubernetes(dst, kubernetes, s.Labels)
	}
	if len(docker) > 0 {
		dst = msgp.AppendString(dst, logrecord.FieldDocker)
		dst = appendPairs(msgp.AppendMapHeader(dst, uint32(len(docker)/2)), docker)
	}
	return dst
}

func appendKubernetes(dst []byte, fields []string, labels map[string]string) []byte {
	n := uint32(len(fields) / 2)
	if len(labels) > 0 {
		n++
	}
	dst = appendPairs(msgp.AppendMapHeader(dst, n), fields)
	if len(labels) == 0 {
		return dst
	}
	dst = msgp.AppendString(dst, logrecord.FieldLabels)
	dst = msgp.AppendMapHeader(dst, uint32(len(labels)))
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		dst = appendPairs(dst, []string{name, labels[name]})
	}
	return dst
}

// pairs drops the names whose value is empty.
func pairs(namesAndValues ...string) []string {
	var out []string
	for i := 0; i < len(namesAndValues); i += 2 {
		if namesAndValues[i+1] != "" {
			out = append(out, namesAndValues[i], namesAndValues[i+1])
		}
	}
	return out
}

func appendPairs(dst []byte, pairs []string) []byte {
	for _, s := range pairs {
		dst = msgp.AppendString(dst, s)
	}
	return dst
}
