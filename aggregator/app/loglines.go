package app

import (
	"context"

	"github.com/lubberline/lubberline/aggregator/logstore"
	"github.com/lubberline/lubberline/alerts/logseries"
)

// logLines counts in the embedded log store, for the series that alert rules look
// at.
type logLines struct{ store *logstore.Store }

var _ logseries.Lines = logLines{}

// Position is the store's.
func (l logLines) Position() logseries.Position { return logseries.Position(l.store.Position()) }

// Count counts the lines of a definition.
func (l logLines) Count(ctx context.Context, q logseries.Query) ([]logseries.Group, error) {
	d := q.Of
	selected := logstore.Query{
		From: q.From, To: q.To, Namespaces: d.Namespaces, Controllers: d.Controllers, Pods: d.Pods, Containers: d.Containers,
		Nodes: d.Nodes, Streams: d.Streams, Text: d.Text, IgnoreCase: d.IgnoreCase, Regex: d.Regex,
	}
	for _, name := range d.Levels {
		level, _ := logstore.ParseLevel(name) // checked with the definition
		selected.Levels = append(selected.Levels, level)
	}
	fields := make([]logstore.Field, len(d.By))
	for i, name := range d.By {
		fields[i] = logstore.Field(name)
	}
	arrival := logstore.Arrival{Before: logstore.Position(q.Before), LateFrom: q.LateFrom, Since: logstore.Position(q.Since)}
	found, err := l.store.CountBy(ctx, selected, arrival, fields)
	if err != nil {
		return nil, err
	}
	groups := make([]logseries.Group, len(found))
	for i, g := range found {
		groups[i] = logseries.Group(g)
	}
	return groups, nil
}
