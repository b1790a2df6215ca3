package dashboards

import "github.com/lubberline/lubberline/dashboards/model"

// The variables are those of Heapster's page of events.
func eventsPage() *model.Dashboard {
	lucene := all(events, only("object_namespace", "namespace"), only("object_kind", "kind"), only("object_name", "name"), only("type", "type"), only("reason", "reason"))
	return &model.Dashboard{
		Name: "events", Title: "Events", Description: "What Kubernetes says has happened.", Refresh: "10s",
		Variables: []model.Variable{
			recordVariable("namespace", "Namespace", "object_namespace", events),
			recordVariable("kind", "Kind", "object_kind", events),
			recordVariable("name", "Name", "object_name", all(events, only("object_namespace", "namespace"), only("object_kind", "kind"))),
			recordVariable("type", "Type", "type", events),
			recordVariable("reason", "Reason", "reason", events),
		},
		Links: []string{"cluster", "namespaces", "workloads", "pod", "logs"},
		Rows: []model.Row{
			row("How many",
				empty("nothing has happened", volume("Events by type", lucene, "type")), empty("nothing has happened", volume("Events by reason", lucene, "reason"))),
			row("Which", empty("nothing has happened", wide(24, counted("Events by object", lucene, []model.Column{
				column("object_namespace", "Namespace", nil), column("object_kind", "Kind", nil), column("object_name", "Name", nil), column("type", "Type", nil), column("reason", "Reason", nil)}))),
				empty("nothing has happened", high(18, records("Events", lucene)))),
		},
	}
}
