// Package model is what Lubberline's dashboards are made of: rows of panels,
// variables, links and annotations, without anything of Grafana's JSON and
// without a query language. A panel states its queries once
// (Query, Logs); package render writes them for Prometheus, InfluxDB 2
// and InfluxDB 1.8, and package grafana makes the JSON.
package model

// Dashboard is one page.
type Dashboard struct {
	// Name is short and never changes: the file's name and the end of the UID.
	Name string
	// Title is unique; Description says what the page answers.
	Title, Description string
	Variables          []Variable
	Rows               []Row
	// Links lead to other dashboards, by Name, with the variables and the time
	// that are chosen.
	Links       []string
	Annotations []Annotation
	// From is the start of the time shown at first, "now-1h", and Refresh how
	// often it is read again, "10s".
	From, Refresh string
}

// Row is a band of panels with a title. Panels are placed from left to right
// and wrap; those of one line have the height of the highest.
type Row struct {
	Title string
	// Collapsed rows are opened by a click, and ask nothing before.
	Collapsed bool
	Panels    []Panel
}

// Variable is a choice at the top of a dashboard that queries refer to as
// $name. Its values come from the store of figures or, with Values.Field set,
// from the log records.
type Variable struct {
	Name, Label string
	// Values asks for them; the zero Values makes a text box.
	Values Values
	// Multi lets several be chosen, All all of them, which is then the choice
	// at first.
	Multi, All bool
	// Choices are fixed values instead; the first is chosen at first.
	Choices []string
	// Text is what a text box holds at first.
	Text string
	// Hidden keeps the variable from the page: it comes by a link.
	Hidden bool
}

// Annotation marks the moments at which log records that match were written:
// events are log records, too.
type Annotation struct {
	Name string
	// Color is one of Grafana's names.
	Color string
	Query Logs
}
