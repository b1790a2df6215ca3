// Package rules has the alert rules that Lubberline ships, and reads those that
// users write beside them.
//
// The standard set is a typed table (one file a topic) from which Prometheus
// rule files, Grafana's alerting files for InfluxDB and the default groups of
// the aggregator are made. Users write Prometheus rule files, and may declare
// series made of log lines, baselines and comparisons with peers, which become
// ordinary rules.
package rules
