// Package provision makes the files by which a Grafana has Lubberline's data
// sources and dashboards from its start on.
package provision

import (
	"fmt"
	"path"

	"github.com/lubberline/lubberline/dashboards"
	"github.com/lubberline/lubberline/dashboards/grafana"
	"github.com/lubberline/lubberline/dashboards/model"
)

// Options are addresses as Grafana sees them. They may hold what Grafana's
// provisioning replaces: $NAME of its environment, $__file{path}.
type Options struct {
	// Aggregator is http://host:port, without a path.
	Aggregator string
	// AggregatorToken is sent as bearer token, when it is not empty.
	AggregatorToken string
	// AggregatorCA is the certificate that the aggregator's is signed by, PEM;
	// empty for one that the system knows, or for none.
	AggregatorCA string
	// Influx2, Influx1 and Elasticsearch are empty where there is none: then
	// their data source and dashboards are left out.
	Influx2, Influx2Org, Influx2Bucket, Influx2Token string
	Influx1, Influx1Database, Influx1User            string
	Influx1Password                                  string
	Elasticsearch, ElasticsearchIndex                string
	// Dashboards is where Grafana finds the folder of dashboards.
	Dashboards string
}

// DefaultOptions are those of the compose stack.
func DefaultOptions() Options {
	return Options{
		Aggregator: "https://aggregator:8082", AggregatorToken: "$__file{/credentials/token}", AggregatorCA: "$__file{/credentials/ca.crt}",
		Influx2: "http://influxdb:8086", Influx2Org: "lubberline", Influx2Bucket: "k8s", Influx2Token: "$__file{/credentials/influxdb-token}",
		Elasticsearch: "http://elasticsearch:9200", ElasticsearchIndex: "logs-lubberline-default",
		Dashboards: "/var/lib/grafana/dashboards",
	}
}

// Languages are those of the stores that the options name.
func (o *Options) Languages() []model.Language {
	all := []model.Language{model.PromQL}
	if o.Influx2 != "" {
		all = append(all, model.Flux)
	}
	if o.Influx1 != "" {
		all = append(all, model.InfluxQL)
	}
	return all
}

// Folder is where Grafana shows the dashboards of a language.
type Folder struct {
	UID, Title string
	Language   model.Language
}

// FolderOf returns the folder of the language.
func FolderOf(l model.Language) Folder {
	switch l {
	case model.Flux:
		return Folder{"lubberline-flux", "Lubberline on InfluxDB 2", l}
	case model.InfluxQL:
		return Folder{"lubberline-influxql", "Lubberline on InfluxDB 1.8", l}
	}
	return Folder{"lubberline", "Lubberline", l}
}

// Page is a dashboard rendered for a language.
type Page struct {
	Name, UID, Title string
	Language         model.Language
	JSON             []byte
	// Left are the panels that the store cannot fill.
	Left []string
}

// Pages renders all dashboards for the languages.
func Pages(languages ...model.Language) ([]Page, error) {
	var all []Page
	for _, l := range languages {
		set := grafana.NewSet(l, dashboards.All())
		for _, d := range set.Dashboards() {
			j, left := set.Render(d)
			text, err := j.Encode()
			if err != nil {
				return nil, err
			}
			all = append(all, Page{Name: d.Name, UID: j.UID, Title: j.Title, Language: l, JSON: text, Left: left})
		}
	}
	return all, nil
}

// Files returns the provisioning files by their paths below deploy/grafana:
// dashboards of every language, and the data sources and providers of the
// stores that the options name.
func Files(o Options) (map[string][]byte, error) {
	files := map[string][]byte{}
	pages, err := Pages(model.Languages()...)
	if err != nil {
		return nil, err
	}
	for _, p := range pages {
		files[path.Join("dashboards", string(p.Language), p.Name+".json")] = p.JSON
	}
	for name, make := range map[string]func(Options) ([]byte, error){
		"provisioning/datasources/lubberline.yaml": dataSources,
		"provisioning/dashboards/lubberline.yaml":  providers,
	} {
		if files[name], err = make(o); err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
	}
	return files, nil
}
