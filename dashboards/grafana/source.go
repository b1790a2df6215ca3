package grafana

import "github.com/lubberline/lubberline/dashboards/model"

// SourceName is a data source by what dashboards need to know of it.
type SourceName struct {
	Name, UID, Type string
}

// DefaultSource is the data source that dashboards of the language begin with.
// Another one of the same type can be chosen on each.
func DefaultSource(l model.Language) SourceName {
	switch l {
	case model.Flux:
		return SourceName{Name: "InfluxDB 2", UID: "lubberline-flux", Type: "influxdb"}
	case model.InfluxQL:
		return SourceName{Name: "InfluxDB 1.8", UID: "lubberline-influxql", Type: "influxdb"}
	}
	return SourceName{Name: "Lubberline", UID: "lubberline", Type: "prometheus"}
}

// LogSource is the data source of log records that dashboards begin with: the
// aggregator. StoredLogs is a real Elasticsearch.
func LogSource() SourceName {
	return SourceName{Name: "Lubberline logs", UID: "lubberline-logs", Type: "elasticsearch"}
}

// StoredLogs is an Elasticsearch that the aggregator ships log records to.
func StoredLogs() SourceName {
	return SourceName{Name: "Elasticsearch", UID: "lubberline-elasticsearch", Type: "elasticsearch"}
}
