package provision

import (
	"bytes"
	"path"

	"go.yaml.in/yaml/v3"

	"github.com/lubberline/lubberline/dashboards/grafana"
	"github.com/lubberline/lubberline/dashboards/model"
)

// Source is a data source, for a provisioning file and for Grafana's API.
type Source struct {
	Name      string         `yaml:"name" json:"name"`
	UID       string         `yaml:"uid" json:"uid"`
	Type      string         `yaml:"type" json:"type"`
	Access    string         `yaml:"access" json:"access"`
	URL       string         `yaml:"url" json:"url"`
	User      string         `yaml:"user,omitempty" json:"user,omitempty"`
	Database  string         `yaml:"database,omitempty" json:"database,omitempty"`
	IsDefault bool           `yaml:"isDefault" json:"isDefault"`
	Editable  bool           `yaml:"editable" json:"-"`
	JSON      map[string]any `yaml:"jsonData" json:"jsonData"`
	Secure    map[string]any `yaml:"secureJsonData,omitempty" json:"secureJsonData,omitempty"`
}

// Sources returns the data sources of the stores that the options name.
func Sources(o Options) []Source {
	all := []Source{aggregator(o), aggregatorLogs(o)}
	if o.Influx2 != "" {
		s := source(grafana.DefaultSource(model.Flux), o.Influx2)
		s.JSON = map[string]any{"version": "Flux", "organization": o.Influx2Org, "defaultBucket": o.Influx2Bucket, "timeInterval": "5s"}
		s.Secure = map[string]any{"token": o.Influx2Token}
		all = append(all, s)
	}
	if o.Influx1 != "" {
		s := source(grafana.DefaultSource(model.InfluxQL), o.Influx1)
		s.User, s.Database = o.Influx1User, o.Influx1Database
		s.JSON = map[string]any{"version": "InfluxQL", "dbName": o.Influx1Database, "httpMode": "POST", "timeInterval": "5s"}
		if o.Influx1Password != "" {
			s.Secure = map[string]any{"password": o.Influx1Password}
		}
		all = append(all, s)
	}
	if o.Elasticsearch != "" {
		s := source(grafana.StoredLogs(), o.Elasticsearch)
		s.JSON = elasticsearch(o.ElasticsearchIndex)
		all = append(all, s)
	}
	return all
}

func source(name grafana.SourceName, url string) Source {
	return Source{Name: name.Name, UID: name.UID, Type: name.Type, Access: "proxy", URL: url}
}

func aggregator(o Options) Source {
	s := source(grafana.DefaultSource(model.PromQL), o.Aggregator)
	s.IsDefault = true
	s.JSON = map[string]any{"httpMethod": "POST", "timeInterval": "5s", "prometheusType": "Prometheus", "manageAlerts": true}
	s.authorize(o)
	return s
}

func aggregatorLogs(o Options) Source {
	s := source(grafana.LogSource(), o.Aggregator+"/elastic")
	s.JSON = elasticsearch("lubberline-logs")
	s.authorize(o)
	return s
}

// elasticsearch is how log records are read, whoever keeps them.
func elasticsearch(index string) map[string]any {
	return map[string]any{
		"index": index, "timeField": "@timestamp", "logMessageField": "log", "logLevelField": "level", "maxConcurrentShardRequests": 5,
		"includeFrozen": false,
	}
}

// authorize checks the aggregator's certificate and sends its token.
func (s *Source) authorize(o Options) {
	s.Secure = map[string]any{}
	if o.AggregatorCA != "" {
		s.JSON["tlsAuthWithCACert"] = true
		s.Secure["tlsCACert"] = o.AggregatorCA
	}
	if o.AggregatorToken != "" {
		s.JSON["httpHeaderName1"] = "Authorization"
		s.Secure["httpHeaderValue1"] = "Bearer " + o.AggregatorToken
	}
}

func dataSources(o Options) ([]byte, error) {
	return encode("data sources", struct {
		Version int      `yaml:"apiVersion"`
		Sources []Source `yaml:"datasources"`
	}{1, Sources(o)})
}

// provider tells Grafana of a folder of files.
type provider struct {
	Name            string            `yaml:"name"`
	OrgID           int               `yaml:"orgId"`
	Folder          string            `yaml:"folder"`
	FolderUID       string            `yaml:"folderUid"`
	Type            string            `yaml:"type"`
	DisableDeletion bool              `yaml:"disableDeletion"`
	Interval        int               `yaml:"updateIntervalSeconds"`
	AllowUIUpdates  bool              `yaml:"allowUiUpdates"`
	Options         map[string]string `yaml:"options"`
}

func providers(o Options) ([]byte, error) {
	var all []provider
	for _, l := range o.Languages() {
		f := FolderOf(l)
		all = append(all, provider{
			Name: f.UID, OrgID: 1, Folder: f.Title, FolderUID: f.UID, Type: "file", DisableDeletion: true, Interval: 30,
			Options: map[string]string{"path": path.Join(o.Dashboards, string(l))},
		})
	}
	return encode("dashboards", struct {
		Version   int        `yaml:"apiVersion"`
		Providers []provider `yaml:"providers"`
	}{1, all})
}

func encode(what string, v any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# Lubberline's " + what + " for Grafana, made by \"lubberline dashboards generate\": do not edit.\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), e.Close()
}
