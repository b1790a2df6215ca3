package series

import (
	"slices"
	"strings"

	"github.com/lubberline/lubberline/collector/reading"
)

// Identity returns the labels that every series of the container has
// (catalog.IdentityLabels), sorted by name, without empty ones.
func Identity(c *reading.Container) []Label {
	labels := make([]Label, 0, 6)
	add := func(name, value string) {
		if value != "" {
			labels = append(labels, Label{name, value})
		}
	}
	id := c.Identity
	if id == nil {
		id = &reading.Identity{}
	}
	add("container", id.Container)
	add("id", c.ID)
	add("image", id.Image)
	add("name", id.Name)
	add("namespace", id.Namespace)
	add("pod", id.Pod)
	return labels
}

// InfoMetric is the metric whose labels are Info's.
const InfoMetric = "lubberline_container_info"

// Info returns the labels of lubberline_container_info beyond the identity,
// sorted by name, without empty ones; nil for what is no container and no pod.
func Info(id *reading.Identity) []Label {
	if id == nil || (id.ContainerID == "" && id.PodUID == "") {
		return nil
	}
	var labels []Label
	add := func(name, value string) {
		if value != "" {
			labels = append(labels, Label{name, value})
		}
	}
	add("container_id", id.ContainerID)
	add("labels", joinLabels(id.Labels))
	add("pod_uid", id.PodUID)
	add("runtime", id.Runtime)
	return labels
}

// joinLabels writes labels as "key:value,key:value", sorted.
func joinLabels(labels map[string]string) string {
	pairs := make([]string, 0, len(labels))
	for key, value := range labels {
		pairs = append(pairs, key+":"+value)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}

// Merge returns the labels of all the given sets, sorted by name.
func Merge(sets ...[]Label) []Label {
	all := slices.Concat(sets...)
	slices.SortFunc(all, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	return all
}
