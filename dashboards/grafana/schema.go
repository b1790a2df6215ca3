// Package grafana renders dashboards of the model as Grafana's JSON, schema
// version 39 (Grafana 10.4), which later versions read as well. Equal input
// gives equal bytes. The shapes are those of
// https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
// and of the package @grafana/schema.
package grafana

// SchemaVersion is that of the JSON written here.
const SchemaVersion = 39

// pluginVersion is the Grafana whose panel options are written; it keeps newer
// ones from running the migrations of older options.
const pluginVersion = "10.4.0"

// Columns is the width of Grafana's grid.
const Columns = 24

// Object is a JSON object whose keys are written in order.
type Object = map[string]any

// JSON is a dashboard as Grafana stores it.
type JSON struct {
	UID         string      `json:"uid"`
	Title       string      `json:"title"`
	Description string      `json:"description"`
	Tags        []string    `json:"tags"`
	Timezone    string      `json:"timezone"`
	Editable    bool        `json:"editable"`
	Tooltip     int         `json:"graphTooltip"` // 1: the crosshair is shared
	Time        TimeRange   `json:"time"`
	TimePicker  Object      `json:"timepicker"`
	FiscalYear  int         `json:"fiscalYearStartMonth"`
	LiveNow     bool        `json:"liveNow"`
	WeekStart   string      `json:"weekStart"`
	Refresh     string      `json:"refresh"`
	Schema      int         `json:"schemaVersion"`
	Version     int         `json:"version"`
	Revision    int64       `json:"revision,omitempty"`
	Panels      []Panel     `json:"panels"`
	Templating  Templating  `json:"templating"`
	Annotations Annotations `json:"annotations"`
	Links       []Link      `json:"links"`
}

// TimeRange is what is shown at first.
type TimeRange struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Templating holds the variables.
type Templating struct {
	List []Variable `json:"list"`
}

// Annotations holds the marks over all graphs.
type Annotations struct {
	List []Annotation `json:"list"`
}

// Source refers to a data source; UID may be a variable, "${datasource}".
type Source struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// Grid is a place in the grid of 24 columns; a unit of height is 30 pixels.
type Grid struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

// Panel is a panel or, of type "row", the title of a row, which holds the
// panels below it while it is collapsed.
type Panel struct {
	ID              int          `json:"id"`
	Type            string       `json:"type"`
	Title           string       `json:"title"`
	Description     string       `json:"description,omitempty"`
	PluginVersion   string       `json:"pluginVersion,omitempty"`
	Source          *Source      `json:"datasource,omitempty"`
	Grid            Grid         `json:"gridPos"`
	Collapsed       *bool        `json:"collapsed,omitempty"`
	Panels          *[]Panel     `json:"panels,omitempty"`
	Interval        string       `json:"interval,omitempty"`
	TimeFrom        string       `json:"timeFrom,omitempty"`
	Targets         []Object     `json:"targets,omitempty"`
	Transformations []Transform  `json:"transformations,omitempty"`
	FieldConfig     *FieldConfig `json:"fieldConfig,omitempty"`
	Options         Object       `json:"options,omitempty"`
}

// Transform changes the tables that the queries gave.
type Transform struct {
	ID      string `json:"id"`
	Options Object `json:"options"`
}

// FieldConfig is how values are shown: all, and those that overrides match.
type FieldConfig struct {
	Defaults  Defaults   `json:"defaults"`
	Overrides []Override `json:"overrides"`
}

// Defaults are how all values of a panel are shown.
type Defaults struct {
	Unit       string      `json:"unit,omitempty"`
	Decimals   *int        `json:"decimals,omitempty"`
	Min        *float64    `json:"min,omitempty"`
	Max        *float64    `json:"max,omitempty"`
	NoValue    string      `json:"noValue,omitempty"`
	Color      Object      `json:"color"`
	Mappings   []Object    `json:"mappings"`
	Thresholds *Thresholds `json:"thresholds"`
	Links      []Link      `json:"links,omitempty"`
	Custom     Object      `json:"custom,omitempty"`
}

// Thresholds colour values from each step on.
type Thresholds struct {
	Mode  string `json:"mode"`
	Steps []Step `json:"steps"`
}

// Step is one threshold; the first has no value.
type Step struct {
	Color string   `json:"color"`
	Value *float64 `json:"value"`
}

// Override shows the values of one field otherwise.
type Override struct {
	Matcher    Matcher    `json:"matcher"`
	Properties []Property `json:"properties"`
}

// Matcher says which fields an override is for.
type Matcher struct {
	ID      string `json:"id"`
	Options any    `json:"options"`
}

// Property is one thing shown otherwise.
type Property struct {
	ID    string `json:"id"`
	Value any    `json:"value"`
}

// Link is a link of a dashboard, of a panel's values, or of a table's cells.
type Link struct {
	Title       string   `json:"title"`
	Type        string   `json:"type"`
	Icon        string   `json:"icon"`
	Tooltip     string   `json:"tooltip"`
	URL         string   `json:"url,omitempty"`
	Tags        []string `json:"tags"`
	AsDropdown  bool     `json:"asDropdown"`
	TargetBlank bool     `json:"targetBlank"`
	IncludeVars bool     `json:"includeVars"`
	KeepTime    bool     `json:"keepTime"`
}

// Variable is a choice at the top of the dashboard.
type Variable struct {
	Type        string    `json:"type"`
	Name        string    `json:"name"`
	Label       string    `json:"label"`
	Description string    `json:"description,omitempty"`
	Hide        int       `json:"hide"`
	SkipURLSync bool      `json:"skipUrlSync"`
	Source      *Source   `json:"datasource,omitempty"`
	Query       any       `json:"query"`
	Definition  string    `json:"definition,omitempty"`
	Regex       *string   `json:"regex,omitempty"`
	Current     *Choice   `json:"current,omitempty"`
	Options     *[]Choice `json:"options,omitempty"`
	Multi       *bool     `json:"multi,omitempty"`
	IncludeAll  *bool     `json:"includeAll,omitempty"`
	AllValue    string    `json:"allValue,omitempty"`
	Refresh     *int      `json:"refresh,omitempty"`
	Sort        *int      `json:"sort,omitempty"`
}

// Choice is a value of a variable.
type Choice struct {
	Selected bool `json:"selected"`
	Text     any  `json:"text"`
	Value    any  `json:"value"`
}

// Annotation is a query whose rows become marks over the graphs.
type Annotation struct {
	Name    string `json:"name"`
	Source  Source `json:"datasource"`
	Enable  bool   `json:"enable"`
	Hide    bool   `json:"hide"`
	Color   string `json:"iconColor"`
	BuiltIn int    `json:"builtIn,omitempty"`
	Type    string `json:"type,omitempty"`
	Target  Object `json:"target"`
	// Grafana's Elasticsearch data source reads these beside the target, although
	// the published schema does not have them.
	Query     string `json:"query,omitempty"`
	TimeField string `json:"timeField,omitempty"`
	TextField string `json:"textField,omitempty"`
	TagsField string `json:"tagsField,omitempty"`
}
