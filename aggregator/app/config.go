package app

import (
	"errors"
	"fmt"
	"time"

	"github.com/lubberline/lubberline/alerts"
	"github.com/lubberline/lubberline/config"
	"github.com/lubberline/lubberline/listen"
)

// Config is the aggregator's part of the configuration file.
type Config struct {
	// HTTP is where the REST APIs are served and remote write is received.
	HTTP         string          `yaml:"http"`
	HTTPSecurity listen.Security `yaml:"http_security"`
	// Forward is where collectors, and whoever else, send log records.
	Forward ForwardConfig `yaml:"forward"`
	// Resolution is the distance of the figures that are rolled up.
	Resolution time.Duration `yaml:"resolution"`
	// Metrics and Logs bound the embedded stores.
	Metrics StoreConfig `yaml:"metrics"`
	Logs    StoreConfig `yaml:"logs"`

	// InfluxDB and Elasticsearch are further stores; nil where there is none.
	InfluxDB      *InfluxDBConfig      `yaml:"influxdb"`
	Elasticsearch *ElasticsearchConfig `yaml:"elasticsearch"`
	// Kubernetes is the cluster whose objects metrics and logs are joined with;
	// nil where there is none. `lubberline up` joins the cluster it runs.
	Kubernetes *KubernetesConfig `yaml:"kubernetes"`
	// Alerts are rules that are evaluated on what is stored.
	Alerts alerts.Config `yaml:"alerts"`
	// Historical is what answers /api/v1/historical: embedded or influxdb.
	Historical string `yaml:"historical"`
}

// ForwardConfig is the receiver of Fluentd's forward protocol.
type ForwardConfig struct {
	// Listen is "host:port" or "unix:///path"; empty for none.
	Listen string `yaml:"listen"`
	// SharedKeyFile holds the key that senders must know.
	SharedKeyFile string `yaml:"shared_key_file"`
	CertFile      string `yaml:"cert_file"`
	KeyFile       string `yaml:"key_file"`
}

func (f ForwardConfig) check() error {
	if f.Listen == "" {
		return nil
	}
	return listen.CheckPolicy(f.Listen, f.CertFile != "", f.SharedKeyFile != "")
}

// KubernetesConfig says how to reach a cluster's API.
type KubernetesConfig struct {
	// Kubeconfig is a file; empty for the service account of the pod that this
	// runs in.
	Kubeconfig string `yaml:"kubeconfig"`
}

// StoreConfig bounds a store on disk.
type StoreConfig struct {
	Retention time.Duration `yaml:"retention"`
	// MaxSize is the most it may take; the oldest goes first. 0 is no cap.
	MaxSize config.Size `yaml:"max_size"`
}

// InfluxDBConfig is an InfluxDB that gets Heapster's figures. Database is for
// 1.8, Org, Bucket and TokenFile are for 2.x.
type InfluxDBConfig struct {
	URL             string        `yaml:"url"`
	Database        string        `yaml:"database"`
	RetentionPolicy string        `yaml:"retention_policy"`
	Username        string        `yaml:"username"`
	PasswordFile    string        `yaml:"password_file"`
	Org             string        `yaml:"org"`
	Bucket          string        `yaml:"bucket"`
	TokenFile       string        `yaml:"token_file"`
	Retention       time.Duration `yaml:"retention"`
	WithFields      bool          `yaml:"with_fields"`
	DisableCounters bool          `yaml:"disable_counters"`
	OmitLabelsTag   bool          `yaml:"omit_labels_tag"`
	IDTags          bool          `yaml:"id_tags"`
	ClusterName     string        `yaml:"cluster_name"`
	SpoolSize       config.Size   `yaml:"spool_size"`
}

// DefaultConfig is what holds where the file says nothing.
func DefaultConfig() Config {
	return Config{
		HTTP:       "127.0.0.1:8082",
		Forward:    ForwardConfig{Listen: "127.0.0.1:24225"},
		Resolution: 5 * time.Second,
		Metrics:    StoreConfig{Retention: 15 * 24 * time.Hour, MaxSize: 8 << 30},
		Logs:       StoreConfig{Retention: 7 * 24 * time.Hour, MaxSize: 16 << 30},
		Alerts:     alerts.DefaultConfig(),
		Historical: "embedded",
	}
}

// Validate reports everything that is wrong, each with its key and value.
func (c *Config) Validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.HTTP == "" {
		fail("http: missing")
	} else if err := c.HTTPSecurity.Check(c.HTTP); err != nil {
		fail("http: %w", err)
	}
	if err := c.Forward.check(); err != nil {
		fail("forward: %w", err)
	}
	if c.Resolution < time.Second || c.Resolution%time.Second != 0 {
		fail("resolution: %s: want whole seconds, at least 1s", c.Resolution)
	}
	errs = append(errs, c.Metrics.check("metrics"), c.Logs.check("logs"))
	if err := c.Alerts.Check(); err != nil {
		fail("alerts: %w", err)
	}
	switch {
	case c.Historical != "embedded" && c.Historical != "influxdb":
		fail("historical: %q: want embedded or influxdb", c.Historical)
	case c.Historical == "influxdb" && c.InfluxDB == nil:
		fail("historical: influxdb, but there is no influxdb section")
	}
	if i := c.InfluxDB; i != nil && (i.Database == "") == (i.Bucket == "") {
		fail("influxdb: want database (InfluxDB 1.8) or bucket (2.x), and not both")
	}
	if e := c.Elasticsearch; e != nil && !e.Logs && !e.Metrics {
		fail("elasticsearch: nothing is written there: set logs, metrics or both to true")
	}
	return errors.Join(errs...)
}

func (s StoreConfig) check(name string) error {
	var errs []error
	if s.Retention < time.Hour {
		errs = append(errs, fmt.Errorf("%s.retention: %s: want at least 1h", name, s.Retention))
	}
	if s.MaxSize != 0 && s.MaxSize < 64<<20 {
		errs = append(errs, fmt.Errorf("%s.max_size: %s: want 0 for no cap, or at least 64MiB", name, s.MaxSize))
	}
	return errors.Join(errs...)
}

// ElasticsearchConfig is an Elasticsearch that gets log records and, if wanted,
// Heapster's documents.
type ElasticsearchConfig struct {
	URLs         []string `yaml:"urls"`
	Username     string   `yaml:"username"`
	PasswordFile string   `yaml:"password_file"`
	APIKeyFile   string   `yaml:"api_key_file"`
	// Logs and Metrics say what is written there.
	Logs    bool `yaml:"logs"`
	Metrics bool `yaml:"metrics"`
	// DataStream takes the records, or with DailyPrefix an index a day.
	DataStream  string `yaml:"data_stream"`
	DailyPrefix string `yaml:"daily_prefix"`
	// MetricsIndex is the first part of the metric indices' names.
	MetricsIndex string      `yaml:"metrics_index"`
	ClusterName  string      `yaml:"cluster_name"`
	Shards       int         `yaml:"shards"`
	Replicas     *int        `yaml:"replicas"`
	SpoolSize    config.Size `yaml:"spool_size"`
}
