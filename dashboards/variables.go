package dashboards

import (
	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/dashboards/model"
)

// The metric whose series tell which containers and pods there are.
const presence = catalog.Presence

func several(v model.Variable) model.Variable { v.Multi, v.All = true, true; return v }

func namespaceVariable() model.Variable {
	return model.Variable{Name: "namespace", Label: "Namespace", Values: model.Values{
		Metric: presence, Label: "namespace", Kind: catalog.Pod, Where: []model.Match{isnt("namespace", "")}}}
}

func nodeVariable() model.Variable {
	return model.Variable{Name: "node", Label: "Node", Values: model.Values{
		Metric: "lubberline_node_info", Label: "node", Kind: catalog.Node}}
}

func podVariable() model.Variable {
	return model.Variable{Name: "pod", Label: "Pod", Values: model.Values{
		Metric: presence, Label: "pod", Kind: catalog.Pod, Where: and(chosen("namespace"), isnt("pod", ""))}}
}

func containerVariable() model.Variable {
	return model.Variable{Name: "container", Label: "Container", Values: model.Values{
		Metric: presence, Label: "container", Kind: catalog.PodContainer, Where: and(chosen("namespace", "pod"), isnt("container", ""))}}
}

// nameVariable is the container's name at its engine: what a container without
// a pod is known by.
func nameVariable() model.Variable {
	return model.Variable{Name: "name", Label: "Name at the engine", Values: model.Values{
		Metric: presence, Label: "name", Where: and(chosen("namespace", "pod", "container"), isnt("name", ""))}}
}

// recordVariable has the values of a field of log records.
func recordVariable(name, label, field, lucene string) model.Variable {
	return several(model.Variable{Name: name, Label: label, Values: model.Values{Field: field, Lucene: lucene}})
}

// marks are what happened, over all graphs: deployments and restarts, from
// Kubernetes' events.
func marks(where ...string) []model.Annotation {
	mark := func(name, color, reasons string) model.Annotation {
		return model.Annotation{Name: name, Color: color, Query: model.Logs{Lucene: all(append([]string{events, "reason:(" + reasons + ")"}, where...)...)}}
	}
	return []model.Annotation{
		mark("Deployments", "blue", "ScalingReplicaSet OR SuccessfulCreate OR SuccessfulDelete OR DeploymentRollback"),
		mark("Restarts", "orange", "BackOff OR Unhealthy OR OOMKilling OR Evicted OR Preempted"),
	}
}

// The drill-downs.

func toNode() *model.Drill {
	return &model.Drill{Title: "Open the node", Dashboard: "node", Variables: map[string]string{"node": "node"}}
}

func toNamespace() *model.Drill {
	return &model.Drill{Title: "Open the namespace", Dashboard: "namespaces", Variables: map[string]string{"namespace": "namespace"}}
}

func toPod() *model.Drill {
	return &model.Drill{Title: "Open the pod", Dashboard: "pod", Variables: map[string]string{"namespace": "namespace", "pod": "pod"}}
}

func toContainer() *model.Drill {
	return &model.Drill{Title: "Open the container", Dashboard: "container",
		Variables: map[string]string{"namespace": "namespace", "pod": "pod", "container": "container"}}
}

func column(label, title string, to *model.Drill) model.Column {
	return model.Column{Label: label, Title: title, Drill: to}
}
