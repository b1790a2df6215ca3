package heapster

import (
	"github.com/gin-gonic/gin"

	"github.com/lubberline/lubberline/catalog"
)

type describedLabel struct {
	Key         string `json:"key"`
	Description string `json:"description"`
}

type describedMetric struct {
	Name        string               `json:"name"`
	Description string               `json:"description"`
	Type        catalog.HeapsterType `json:"type"`
	ValueType   catalog.ValueType    `json:"value_type"`
	Units       string               `json:"units,omitempty"`
	Labels      []describedLabel     `json:"labels,omitempty"`
}

type exportSchema struct {
	Metrics      []describedMetric `json:"metrics"`
	CommonLabels []describedLabel  `json:"common_labels"`
	PodLabels    []describedLabel  `json:"pod_labels"`
}

// schema describes what metric-export lists.
func (a *API) schema(c *gin.Context) {
	s := exportSchema{
		CommonLabels: []describedLabel{
			{"nodename", "The name of the node"},
			{"hostname", "The host name of the machine"},
			{"host_id", "What identifies the machine"},
			{"container_name", "The name of the container; machine for a node, /pod for a pod"},
			{"container_base_image", "The image of the container"},
		},
		PodLabels: []describedLabel{
			{"pod_name", "The name of the pod"},
			{"pod_id", "The unique id of the pod"},
			{"namespace_name", "The name of the namespace"},
			{"namespace_id", "The unique id of the namespace"},
			{"labels", "The labels of the pod as key:value, sorted, joined by commas"},
		},
	}
	for _, m := range catalog.HeapsterMetrics() {
		if m.Exported {
			s.Metrics = append(s.Metrics, describe(m))
		}
	}
	if err := pretty(c, s); err != nil {
		text(c, 500, err.Error())
	}
}

func describe(m *catalog.HeapsterMetric) describedMetric {
	d := describedMetric{Name: m.Name, Description: m.Description, Type: m.Type, ValueType: m.ValueType, Units: m.Units}
	for _, label := range m.Labels {
		d.Labels = append(d.Labels, describedLabel{label, labelHelp(label)})
	}
	return d
}

func labelHelp(label string) string {
	switch label {
	case "resource_id":
		return "The device that the figure is about"
	case "make":
		return "Make of the accelerator"
	case "model":
		return "Model of the accelerator"
	default:
		return "Id of the accelerator"
	}
}
