package grafana

import "github.com/lubberline/lubberline/dashboards/model"

// options are those of the kind's plugin, complete: what is left out, a plugin
// would take from its version's defaults.
func options(p *model.Panel) Object {
	switch p.Kind {
	case model.TimeSeries:
		return Object{"legend": legend(p), "tooltip": Object{"mode": "multi", "sort": "desc"}}
	case model.Stat:
		return Object{
			"graphMode": graphMode(p), "colorMode": "value", "justifyMode": "auto", "textMode": "auto", "wideLayout": true,
			"showPercentChange": false, "percentChangeColorMode": "standard", "orientation": "auto", "reduceOptions": lastValue(),
		}
	case model.Gauge:
		return Object{
			"orientation": "auto", "reduceOptions": lastValue(), "showThresholdLabels": false, "showThresholdMarkers": true,
			"sizing": "auto", "minVizWidth": 75, "minVizHeight": 75,
		}
	case model.BarGauge:
		return Object{
			"displayMode": "gradient", "orientation": "horizontal", "reduceOptions": lastValue(), "showUnfilled": true, "valueMode": "color",
			"namePlacement": "auto", "sizing": "auto", "minVizWidth": 8, "minVizHeight": 16, "maxVizHeight": 300,
			"legend": Object{"calcs": []string{}, "displayMode": "list", "placement": "bottom", "showLegend": false},
		}
	case model.Table:
		return tableOptions(p)
	case model.LogLines:
		return Object{
			"showTime": true, "showLabels": false, "showCommonLabels": false, "wrapLogMessage": true, "prettifyLogMessage": false,
			"enableLogDetails": true, "showLogContextToggle": false, "dedupStrategy": "none", "sortOrder": "Descending",
		}
	case model.NodeGraph:
		return Object{"nodes": Object{"mainStatUnit": string(model.Number)}, "edges": Object{"mainStatUnit": string(model.Number)}}
	case model.StateTimeline:
		return Object{
			"showValue": "auto", "rowHeight": 0.9, "mergeValues": true, "alignValue": "left",
			"legend":  Object{"calcs": []string{}, "displayMode": "list", "placement": "bottom", "showLegend": true},
			"tooltip": Object{"mode": "single", "sort": "none"},
		}
	case model.Text:
		return Object{
			"mode": "markdown", "content": p.Body,
			"code": Object{"language": "plaintext", "showLineNumbers": false, "showMiniMap": false},
		}
	}
	return Object{}
}

// lastValue reduces a series to its newest value.
func lastValue() Object {
	return Object{"calcs": []string{"lastNotNull"}, "fields": "", "values": false}
}

// graphMode draws the past behind a number, where it is asked for.
func graphMode(p *model.Panel) string {
	if p.Instant {
		return "none"
	}
	return "area"
}

// legend is a table with the newest and the greatest value of each line; a
// panel with one line needs none of it.
func legend(p *model.Panel) Object {
	return Object{"calcs": []string{"lastNotNull", "max"}, "displayMode": "table", "placement": legendPlace(p), "showLegend": true}
}

func legendPlace(p *model.Panel) string {
	if w, _ := size(p); w == Columns {
		return "right"
	}
	return "bottom"
}

func tableOptions(p *model.Panel) Object {
	o := Object{
		"frameIndex": 0, "showHeader": true, "cellHeight": "sm",
		"footer": Object{"show": false, "reducer": []string{"sum"}, "countRows": false, "fields": []string{}, "enablePagination": false},
	}
	if p.SortBy != "" {
		o["sortBy"] = []Object{{"displayName": p.SortBy, "desc": true}}
	}
	return o
}
