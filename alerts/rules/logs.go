package rules

import "time"

// logLines is the series of log lines a minute that the aggregator always makes
// (alerts/logseries.Standard).
const logLines = "log_lines:count1m"

func logRules() []Rule {
	const by = "sum by (namespace, controller) "
	return []Rule{
		{
			Name: "LogErrorRate", Of: logsOf, Says: "logs {value} error lines a minute, over five times what it did in the hour before",
			Why: "Something that worked an hour ago does not any more.",
			Expr: by + `(avg_over_time(` + logLines + `{level=~"error|fatal"}[10m])) > 5 * (` + by + `(avg_over_time(` + logLines + `{level=~"error|fatal"}[1h] offset 10m))` +
				` or 0 * ` + by + `(avg_over_time(` + logLines + `[1h] offset 10m)))`,
			When: above(1), For: 5 * time.Minute, KeepFiringFor: 10 * time.Minute, Severity: Warning,
		},
		{
			Name: "LogSilent", Of: logsOf, Says: "has logged nothing for 15 minutes",
			Why: "It logged at least a line a minute before: it hangs, or its log does not arrive.",
			Expr: by + `(avg_over_time(` + logLines + `{controller!=""}[1h] offset 15m)) > 1` +
				` unless on (namespace, controller) ` + by + `(sum_over_time(` + logLines + `[15m])) > 0`,
			For: 5 * time.Minute, Severity: Info,
		},
	}
}

// logsOf is a controller as log records have it, "Deployment/web", or the lines of
// no pod.
var logsOf = Object{
	Kind: "{{ with $labels.controller }}{{ . }}{{ else }}What no controller owns{{ end }}", Name: "in {{ with $labels.namespace }}{{ . }}{{ else }}no namespace{{ end }}",
	Dashboard: dashboardLogs, Variables: []string{"namespace"},
}
