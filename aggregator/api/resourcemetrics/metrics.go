package resourcemetrics

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/lubberline/lubberline/aggregator/rollup"
	"github.com/lubberline/lubberline/catalog"
)

// stamp is a time as Kubernetes writes it: RFC 3339, whole seconds.
type stamp time.Time

// MarshalJSON writes the time.
func (s stamp) MarshalJSON() ([]byte, error) {
	return time.Time(s).UTC().AppendFormat(nil, `"`+time.RFC3339+`"`), nil
}

// usage is what an object uses, as Kubernetes quantities.
type usage struct {
	CPU    string `json:"cpu"`
	Memory string `json:"memory"` // the working set
}

type metadata struct {
	Name      string            `json:"name,omitempty"`
	Namespace string            `json:"namespace,omitempty"`
	Created   stamp             `json:"creationTimestamp"`
	Labels    map[string]string `json:"labels,omitempty"`
}

type nodeMetrics struct {
	Kind       string   `json:"kind"`
	APIVersion string   `json:"apiVersion"`
	Metadata   metadata `json:"metadata"`
	Timestamp  stamp    `json:"timestamp"`
	Window     string   `json:"window"`
	Usage      usage    `json:"usage"`
}

type containerMetrics struct {
	Name  string `json:"name"`
	Usage usage  `json:"usage"`
}

type podMetrics struct {
	Kind       string             `json:"kind"`
	APIVersion string             `json:"apiVersion"`
	Metadata   metadata           `json:"metadata"`
	Timestamp  stamp              `json:"timestamp"`
	Window     string             `json:"window"`
	Containers []containerMetrics `json:"containers"`
}

type list[T any] struct {
	Kind       string   `json:"kind"`
	APIVersion string   `json:"apiVersion"`
	Metadata   struct{} `json:"metadata"`
	Items      []T      `json:"items"`
}

func (a *API) nodes(version string) gin.HandlerFunc {
	return func(c *gin.Context) {
		selector, err := labels.Parse(c.Query("labelSelector"))
		if err != nil {
			badRequest(c, fmt.Errorf("unable to parse requirement: %w", err))
			return
		}
		items := []nodeMetrics{}
		for _, n := range a.nodeMetrics(version) {
			if selector.Matches(labels.Set(n.Metadata.Labels)) {
				items = append(items, n)
			}
		}
		c.JSON(http.StatusOK, list[nodeMetrics]{Kind: "NodeMetricsList", APIVersion: group + "/" + version, Items: items})
	}
}

func (a *API) node(version string) gin.HandlerFunc {
	return func(c *gin.Context) {
		for _, n := range a.nodeMetrics(version) {
			if n.Metadata.Name == c.Param("node") {
				c.JSON(http.StatusOK, n)
				return
			}
		}
		notFound(c, "nodes", c.Param("node"))
	}
}

func (a *API) nodeMetrics(version string) []nodeMetrics {
	b := a.model.Latest()
	if b == nil {
		return nil
	}
	var all []nodeMetrics
	for _, set := range b.Sets {
		used, ok := used(set)
		if set.Kind != catalog.Node || !ok {
			continue
		}
		all = append(all, nodeMetrics{
			Kind: "NodeMetrics", APIVersion: group + "/" + version,
			Metadata: metadata{
				Name: set.Labels["nodename"], Created: stamp(a.now()),
				Labels: map[string]string{"kubernetes.io/hostname": set.Labels["hostname"]},
			},
			Timestamp: stamp(b.Time), Window: a.window(), Usage: used,
		})
	}
	return all
}

func (a *API) pods(version string) gin.HandlerFunc {
	return func(c *gin.Context) {
		selector, err := labels.Parse(c.Query("labelSelector"))
		if err != nil {
			badRequest(c, fmt.Errorf("unable to parse requirement: %w", err))
			return
		}
		items := []podMetrics{}
		for _, p := range a.podMetrics(version, c.Param("namespace")) {
			if selector.Matches(labels.Set(p.Metadata.Labels)) {
				items = append(items, p)
			}
		}
		c.JSON(http.StatusOK, list[podMetrics]{Kind: "PodMetricsList", APIVersion: group + "/" + version, Items: items})
	}
}

func (a *API) pod(version string) gin.HandlerFunc {
	return func(c *gin.Context) {
		for _, p := range a.podMetrics(version, c.Param("namespace")) {
			if p.Metadata.Name == c.Param("pod") {
				c.JSON(http.StatusOK, p)
				return
			}
		}
		notFound(c, "pods", c.Param("namespace")+"/"+c.Param("pod"))
	}
}

// podMetrics are the pods of a namespace, or of all when it is empty. A pod is
// left out while one of its containers has no CPU rate or working set yet: half
// a pod would mislead an autoscaler.
func (a *API) podMetrics(version, namespace string) []podMetrics {
	b := a.model.Latest()
	if b == nil {
		return nil
	}
	var all []podMetrics
	whole := false
	for _, set := range b.Sets { // a pod's containers follow it
		if namespace != "" && set.Labels["namespace_name"] != namespace {
			continue
		}
		switch set.Kind {
		case catalog.Pod:
			all, whole = dropEmpty(all), true
			all = append(all, a.newPod(version, set, b.Time))
		case catalog.PodContainer:
			if len(all) == 0 || !whole || !of(&all[len(all)-1], set) {
				continue
			}
			p := &all[len(all)-1]
			if used, ok := used(set); ok {
				p.Containers = append(p.Containers, containerMetrics{Name: set.Labels["container_name"], Usage: used})
				continue
			}
			p.Containers, whole = nil, false
		}
	}
	return dropEmpty(all)
}

func of(p *podMetrics, set *rollup.MetricSet) bool {
	return p.Metadata.Name == set.Labels["pod_name"] && p.Metadata.Namespace == set.Labels["namespace_name"]
}

// dropEmpty takes the last pod back when it has no containers.
func dropEmpty(all []podMetrics) []podMetrics {
	if n := len(all); n > 0 && len(all[n-1].Containers) == 0 {
		return all[:n-1]
	}
	return all
}

func (a *API) newPod(version string, set *rollup.MetricSet, at time.Time) podMetrics {
	return podMetrics{
		Kind: "PodMetrics", APIVersion: group + "/" + version,
		Metadata: metadata{
			Name: set.Labels["pod_name"], Namespace: set.Labels["namespace_name"],
			Created: stamp(a.now()), Labels: podLabels(set.Labels["labels"]),
		},
		Timestamp: stamp(at), Window: a.window(),
	}
}

// podLabels takes Heapster's joined labels apart.
func podLabels(joined string) map[string]string {
	if joined == "" {
		return nil
	}
	all := map[string]string{}
	for pair := range strings.SplitSeq(joined, ",") {
		if key, value, ok := strings.Cut(pair, ":"); ok {
			all[key] = value
		}
	}
	return all
}

func (a *API) window() string { return a.model.Resolution().String() }

// used reads CPU and memory of an object; false when one is missing.
func used(set *rollup.MetricSet) (usage, bool) {
	var u usage
	for _, v := range set.Values {
		switch v.Metric.Name {
		case "cpu/usage_rate":
			u.CPU = resource.NewMilliQuantity(v.Int, resource.DecimalSI).String()
		case "memory/working_set":
			u.Memory = resource.NewQuantity(v.Int, resource.BinarySI).String()
		}
	}
	return u, u.CPU != "" && u.Memory != ""
}
