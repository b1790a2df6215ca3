package dashboards

import "github.com/lubberline/lubberline/dashboards/model"

func logs() *model.Dashboard {
	lucene := all(notEvents, only(fieldNamespace, "namespace"), only(fieldPod, "pod"), only(fieldContainer, "container"), only(fieldNode, "node"),
		only("level", "level"), "(${search:raw})")
	return &model.Dashboard{
		Name: "logs", Title: "Logs", Description: "How many records are written, by level and origin, and the records that are searched for.",
		Variables: []model.Variable{
			recordVariable("namespace", "Namespace", fieldNamespace, notEvents),
			recordVariable("pod", "Pod", fieldPod, all(notEvents, only(fieldNamespace, "namespace"))),
			recordVariable("container", "Container", fieldContainer, all(notEvents, only(fieldNamespace, "namespace"), only(fieldPod, "pod"))),
			recordVariable("node", "Node", fieldNode, notEvents),
			recordVariable("level", "Level", "level", notEvents),
			{Name: "search", Label: "Search", Text: "*"},
		},
		Links:       []string{"cluster", "namespaces", "pod", "events"},
		Annotations: marks(only(fieldNamespace, "namespace"), only(fieldPod, "pod")),
		Rows: []model.Row{
			row("Volume",
				sized(24, 7, volume("Records by level", lucene, "level")),
				volume("Records by namespace", lucene, fieldNamespace), volume("Records by container", lucene, fieldContainer)),
			row("Records", high(20, records("Records", lucene))),
			row("Who writes most",
				wide(24, counted("Records by container", lucene, []model.Column{
					column(fieldNamespace, "Namespace", nil), column(fieldPod, "Pod", nil), column(fieldContainer, "Container", nil), column("level", "Level", nil)}))),
		},
	}
}
