package rules

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// grafanaFolder is where Grafana shows the rules.
const grafanaFolder = "Lubberline"

// The refIds of a rule's steps: the queries, their newest values, what is
// compared, and the comparison.
const (
	refFigure, refOver   = "A", "B"
	refNewest, refDivide = "figure", "over"
	refValue, refFires   = "value", "fires"
)

// grafanaFile is a file of Grafana's alerting provisioning.
type grafanaFile struct {
	APIVersion int            `yaml:"apiVersion"`
	Groups     []grafanaGroup `yaml:"groups"`
}

type grafanaGroup struct {
	OrgID    int           `yaml:"orgId"`
	Name     string        `yaml:"name"`
	Folder   string        `yaml:"folder"`
	Interval string        `yaml:"interval"`
	Rules    []grafanaRule `yaml:"rules"`
}

type grafanaRule struct {
	UID           string            `yaml:"uid"`
	Title         string            `yaml:"title"`
	Condition     string            `yaml:"condition"`
	Data          []grafanaStep     `yaml:"data"`
	For           string            `yaml:"for"`
	KeepFiringFor string            `yaml:"keepFiringFor,omitempty"`
	NoDataState   string            `yaml:"noDataState"`
	ExecErrState  string            `yaml:"execErrState"`
	Labels        map[string]string `yaml:"labels"`
	Annotations   map[string]string `yaml:"annotations"`
	IsPaused      bool              `yaml:"isPaused"`
}

type grafanaStep struct {
	RefID         string         `yaml:"refId"`
	Range         grafanaRange   `yaml:"relativeTimeRange"`
	DatasourceUID string         `yaml:"datasourceUid"`
	Model         map[string]any `yaml:"model"`
}

// grafanaRange is in seconds before now.
type grafanaRange struct {
	From int `yaml:"from"`
	To   int `yaml:"to"`
}

// GrafanaFiles are the rules that Heapster's schema can express, as Grafana's
// alerting files for its InfluxDB data sources: flux.yaml for 2.x and
// influxql.yaml for 1.8. One of the two is used.
func GrafanaFiles(o Options) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, language := range []influxLanguage{flux{}, influxQL{}} {
		text, err := grafanaText(o, language)
		if err != nil {
			return nil, fmt.Errorf("rules for Grafana in %s: %w", language.name(), err)
		}
		files[language.name()+".yaml"] = text
	}
	return files, nil
}

func grafanaText(o Options, language influxLanguage) ([]byte, error) {
	file := grafanaFile{APIVersion: 1}
	var without []string
	for _, topic := range Standard() {
		group := grafanaGroup{OrgID: 1, Name: GroupPrefix + topic.Name, Folder: grafanaFolder, Interval: "1m"}
		for i := range topic.Rules {
			r := &topic.Rules[i]
			if r.Heapster == nil {
				without = append(without, r.Name)
				continue
			}
			group.Rules = append(group.Rules, r.grafana(o, language))
		}
		if len(group.Rules) > 0 {
			file.Groups = append(file.Groups, group)
		}
	}
	var b bytes.Buffer
	b.WriteString(generatedHeader + "#\n# Left out, as Heapster's figures do not tell them:\n# " + strings.Join(without, "\n# ") + "\n\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(file); err != nil {
		return nil, err
	}
	return b.Bytes(), e.Close()
}

// heapster is the rule as its Heapster form says it.
func (r *Rule) heapster() Rule {
	h, as := r.Heapster, *r
	if h.Of != nil {
		as.Of = *h.Of
	}
	if h.Says != "" {
		as.Says, as.Unit = h.Says, h.Unit
	}
	if h.When.Op != "" {
		as.When = h.When
	}
	return as
}

func (r *Rule) grafana(o Options, language influxLanguage) grafanaRule {
	as := r.heapster()
	g := grafanaRule{
		UID: language.name() + "-" + r.Name, Title: r.Name, Condition: refFires, Data: as.steps(language),
		For: model.Duration(r.For).String(), NoDataState: "OK", ExecErrState: "Error",
		Labels: map[string]string{"severity": string(r.Severity)}, Annotations: map[string]string{},
	}
	if r.KeepFiringFor > 0 {
		g.KeepFiringFor = model.Duration(r.KeepFiringFor).String()
	}
	if r.Heapster.Silence {
		g.NoDataState = "Alerting"
	}
	for name, text := range as.annotations(o, GroupPrefix+language.name()+"-") {
		g.Annotations[name] = onHeapster(text)
	}
	return g
}

// steps are the queries, and what Grafana computes of them.
func (r *Rule) steps(language influxLanguage) []grafanaStep {
	h := r.Heapster
	if h.Figure == "" {
		return []grafanaStep{computed(refFires, "math", "1 > 0")}
	}
	steps := []grafanaStep{queried(refFigure, h, h.Figure, false, language), computed(refNewest, "reduce", refFigure)}
	value := "${" + refNewest + "}"
	if h.Over != "" {
		steps = append(steps, queried(refOver, h, h.Over, true, language), computed(refDivide, "reduce", refOver))
		value += " / ${" + refDivide + "}"
	}
	when := r.When
	if h.Silence {
		when = below(1)
	}
	return append(steps, computed(refValue, "math", value),
		computed(refFires, "math", "${"+refValue+"} "+when.Op+" "+strconv.FormatFloat(when.Threshold, 'f', -1, 64)))
}

// window is how far back a rule looks: long enough for a figure that comes once
// a minute.
func (h *HeapsterRule) window() time.Duration {
	switch {
	case h.Silence:
		return time.Hour
	case h.Growth > 0:
		return h.Growth
	}
	return 5 * time.Minute
}

// queried is a step that asks the data source. What a figure is divided by is left
// out where it is 0: no limit is no reason to fire.
func queried(ref string, h *HeapsterRule, figure string, positive bool, language influxLanguage) grafanaStep {
	m := language.model(h, figure, positive)
	m["refId"], m["intervalMs"], m["maxDataPoints"] = ref, 60000, 1000
	m["datasource"] = map[string]string{"type": "influxdb", "uid": language.source()}
	return grafanaStep{RefID: ref, Range: grafanaRange{From: int(h.window().Seconds())}, DatasourceUID: language.source(), Model: m}
}

// computed is a step of Grafana's own.
func computed(ref, kind, expression string) grafanaStep {
	m := map[string]any{
		"refId": ref, "type": kind, "expression": expression, "datasource": map[string]string{"type": "__expr__", "uid": "__expr__"},
	}
	if kind == "reduce" {
		m["reducer"], m["settings"] = "last", map[string]string{"mode": "dropNN"}
	}
	return grafanaStep{RefID: ref, DatasourceUID: "__expr__", Model: m}
}

// heapsterLabels are Heapster's tags by our labels.
var heapsterLabels = map[string]string{
	"node": "nodename", "namespace": "namespace_name", "pod": "pod_name", "container": "container_name", "device": "resource_id",
}

var labelInTemplate = regexp.MustCompile(`\$labels\.([a-z_]+)`)

// onHeapster has a template read Heapster's tags, and the value as Grafana names
// it.
func onHeapster(text string) string {
	text = labelInTemplate.ReplaceAllStringFunc(text, func(s string) string {
		if tag, ok := heapsterLabels[strings.TrimPrefix(s, "$labels.")]; ok {
			return "$labels." + tag
		}
		return s
	})
	return strings.ReplaceAll(text, "$value ", "$values."+refValue+".Value ")
}
