package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/lubberline/lubberline/alerts/logseries"
	"github.com/lubberline/lubberline/catalog"
)

// foreign begins the names of metrics that programs keep of themselves, which no
// table lists.
var foreign = []string{
	"lubberline_", "prometheus_", "alertmanager_", "go_", "process_", "promhttp_", "etcd_", "grpc_", "apiserver_",
	"workqueue_", "rest_client_", "coredns_",
}

// Lint adds warnings to files that work and are odd all the same: of metrics that
// nothing makes, and of alerts without a severity or a summary. What a rule or a
// log series of any of the files records is known to all.
func Lint(files []File) {
	known := map[string]bool{"up": true, "ALERTS": true, "ALERTS_FOR_STATE": true}
	for _, m := range catalog.Metrics() {
		known[m.Name] = true
	}
	for _, d := range logseries.Standard() {
		known[d.Record] = true
	}
	for _, f := range files {
		for _, d := range f.LogSeries {
			known[d.Record] = true
		}
		for _, g := range f.Groups {
			for _, r := range g.Rules {
				known[r.Record] = r.Record != "" || known[r.Record]
			}
		}
	}
	for i := range files {
		files[i].lint(known)
	}
}

func (f *File) lint(known map[string]bool) {
	for _, g := range f.Groups {
		for i := range g.Rules {
			for _, message := range oddities(&g.Rules[i], known) {
				f.fail(Problem{Line: f.lineOf(g.Name, i), Message: message, Warning: true})
			}
		}
	}
	slices.SortStableFunc(f.Problems, func(a, b Problem) int { return a.Line - b.Line })
}

func oddities(r *rulefmt.Rule, known map[string]bool) []string {
	var odd []string
	name := r.Alert + r.Record
	for _, metric := range Metrics(r.Expr) {
		if !known[metric] && !slices.ContainsFunc(foreign, func(p string) bool { return strings.HasPrefix(metric, p) }) {
			odd = append(odd, fmt.Sprintf("%s: nothing makes the metric %q", name, metric))
		}
	}
	if r.Alert == "" {
		return odd
	}
	if r.Labels["severity"] == "" {
		odd = append(odd, name+": no severity: routes that look at it pass the alert over")
	}
	if r.Annotations["summary"] == "" {
		odd = append(odd, name+": no summary: messages cannot say what is wrong")
	}
	return odd
}

// Metrics are the names of the metrics that an expression reads, each once, in
// their order; none when it is no PromQL.
func Metrics(expr string) []string {
	root, err := promQL().ParseExpr(expr)
	if err != nil {
		return nil
	}
	var all []string
	parser.Inspect(root, func(n parser.Node, _ []parser.Node) error {
		v, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		for _, m := range v.LabelMatchers {
			if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual && !slices.Contains(all, m.Value) {
				all = append(all, m.Value)
			}
		}
		return nil
	})
	return all
}
