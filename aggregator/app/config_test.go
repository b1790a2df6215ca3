package app

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/config"
)

func TestConfig(t *testing.T) {
	f := func(text, wantErr string) {
		t.Helper()
		c := DefaultConfig()
		err := config.Decode([]byte(text), &c)
		if wantErr == "" {
			require.NoError(t, err, text)
			return
		}
		require.EqualError(t, err, wantErr, text)
	}
	f("", "")
	f("forward: {listen: ''}", "")
	f("metrics: {max_size: 0}", "")
	f("influxdb: {url: 'http://x:1', database: k8s}", "")
	f("elasticsearch: {urls: ['http://x:1'], logs: true}", "")

	f("http: ''", "http: missing")
	f("http: ':8082'", `http: address ":8082" is not loopback and needs TLS (cert_file and key_file) and a secret (token_file, or shared_key_file for the forward protocol)`)
	f("http_security: {cert_file: /c}", `http: address "127.0.0.1:8082": cert_file and key_file go together`)
	f("resolution: 500ms", "resolution: 500ms: want whole seconds, at least 1s")
	f("metrics: {retention: 5m}\nlogs: {retention: 1m, max_size: 1MiB}",
		"metrics.retention: 5m0s: want at least 1h\nlogs.retention: 1m0s: want at least 1h\nlogs.max_size: 1MiB: want 0 for no cap, or at least 64MiB")
	f("historical: prometheus", `historical: "prometheus": want embedded or influxdb`)
	f("historical: influxdb", "historical: influxdb, but there is no influxdb section")
	f("influxdb: {url: 'http://x:1'}", "influxdb: want database (InfluxDB 1.8) or bucket (2.x), and not both")
	f("influxdb: {database: a, bucket: b}", "influxdb: want database (InfluxDB 1.8) or bucket (2.x), and not both")
	f("elasticsearch: {urls: ['http://x:1']}", "elasticsearch: nothing is written there: set logs, metrics or both to true")
	f("elasticsearch:\n  url: x", `line 2: unknown key "url"`)
}

// TestNewReleasesWhatItOpened fails at every step in turn, and then the same
// folder can be opened: nothing was left locked or bound.
func TestNewReleasesWhatItOpened(t *testing.T) {
	taken := open(t, nil)
	start(t, taken)
	dir := t.TempDir()
	f := func(change func(*Config), wantErr string) {
		t.Helper()
		cfg := DefaultConfig()
		cfg.HTTP, cfg.Forward.Listen = "127.0.0.1:0", "127.0.0.1:0"
		change(&cfg)
		_, err := New(t.Context(), Options{Config: cfg, DataDir: dir, Logger: slog.New(slog.DiscardHandler)})
		require.ErrorContains(t, err, wantErr)
	}
	none := filepath.Join(dir, "none")
	f(func(c *Config) {
		c.InfluxDB = &InfluxDBConfig{URL: "http://x:1", Bucket: "b", Org: "o", TokenFile: none}
	}, "influxdb: secret: open "+none)
	f(func(c *Config) { c.InfluxDB = &InfluxDBConfig{URL: "x", Database: "k8s"} }, `influxdb: URL "x" is not http://host:port`)
	f(func(c *Config) { c.Elasticsearch = &ElasticsearchConfig{Logs: true} }, "elasticsearch: no URL")
	f(func(c *Config) {
		c.Elasticsearch = &ElasticsearchConfig{Metrics: true, URLs: []string{"http://x:1"}, MetricsIndex: "Upper"}
	}, `"Upper" cannot be the name of an index`)
	f(func(c *Config) { c.Forward.SharedKeyFile = none }, "forward: secret: open "+none)
	f(func(c *Config) { c.Forward.Listen = taken.ForwardAddr().String() }, "address already in use")
	f(func(c *Config) { c.HTTP = taken.HTTPAddr().String() }, "aggregator http: listen on "+taken.HTTPAddr().String())

	cfg := DefaultConfig()
	cfg.HTTP, cfg.Forward.Listen = "127.0.0.1:0", "127.0.0.1:0"
	a, err := New(t.Context(), Options{Config: cfg, DataDir: dir, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	_, err = New(t.Context(), Options{Config: cfg, DataDir: dir, Logger: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "in use by another process")
	start(t, a)
}
