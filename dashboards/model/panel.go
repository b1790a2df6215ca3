package model

// Kind is how a panel draws, by the name of Grafana's plugin.
type Kind string

// The kinds of panel.
const (
	TimeSeries    Kind = "timeseries"
	Stat          Kind = "stat"
	Gauge         Kind = "gauge"
	BarGauge      Kind = "bargauge"
	Table         Kind = "table"
	LogLines      Kind = "logs"
	NodeGraph     Kind = "nodeGraph"
	StateTimeline Kind = "state-timeline"
	Text          Kind = "text"
)

// Panel draws the answers of its queries.
type Panel struct {
	Kind  Kind
	Title string
	// Description is added to what the catalog says of the metrics. Help stands
	// in its place, where a panel shows something else than its metrics: how many
	// there are of them, a share.
	Description, Help string
	// Width is of 24 columns, Height in units of 30 pixels; 0 is the kind's own.
	Width, Height int
	Targets       []Target
	// Unit is empty for the one that the catalog gives the first target.
	Unit Unit
	// Min and Max are ends of the scale that do not depend on what is shown.
	Min, Max *float64
	// Decimals are how many are shown, as many as needed when nil.
	Decimals *int
	// Stack puts areas on each other; Bars draws bars instead of lines.
	Stack, Bars bool
	// Steps colour values from each one on, beginning with green (or the first
	// step's colour when its At is -Inf).
	Steps []Step
	// States name values: 0 is "not ready" and red.
	States []State
	// Columns are what a table shows of its labels, in order, before its values.
	Columns []Column
	// SortBy is the title of the column that a table is sorted by, the greatest
	// first.
	SortBy string
	// Drill leads from a value or line to a dashboard, by Name, with variables
	// from the labels of the value: variable to label.
	Drill []Drill
	// Body is what a text panel says, in Markdown.
	Body string
	// Instant asks for the newest values only; tables always do.
	Instant bool
	// NoValue is shown where a query gives nothing.
	NoValue string
	// Empty says why the panel may show nothing although all is well ("no
	// container was ever killed"). Tests take it as the reason.
	Empty string
}

// Target is one query of a panel.
type Target struct {
	Query Query
	// Logs is set instead of Query for queries of log records.
	Logs *Logs
	// Legend names the lines: labels as {{label}}. In tables it is the title of
	// the column.
	Legend string
	// Unit of the column of a table; empty for the catalog's.
	Unit Unit
	// Steps colour the cells of a table's column.
	Steps []Step
	// Bar draws the cells as bars.
	Bar bool
	// Dashed draws lines as limits are drawn.
	Dashed bool
}

// Step is a colour from a value on.
type Step struct {
	At    float64
	Color string
}

// State is a value that is shown as a word.
type State struct {
	Value       float64
	Text, Color string
}

// Column is a label that a table shows, under a title.
type Column struct {
	Label, Title string
	// Drill leads on from the cell.
	Drill *Drill
}

// Drill is a link from a value to another dashboard.
type Drill struct {
	// Title begins with a verb. Dashboard is the Name of the one that opens.
	Title, Dashboard string
	// Variables are those of the other dashboard and the labels that fill them.
	// Variables of this dashboard and the time go along anyway.
	Variables map[string]string
}
