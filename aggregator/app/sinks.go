package app

import (
	"errors"
	"fmt"

	"github.com/lubberline/lubberline/aggregator/sink/elasticsearch"
	"github.com/lubberline/lubberline/aggregator/sink/influxdb"
	"github.com/lubberline/lubberline/config"
)

func (a *App) buildInfluxDB() error {
	c := a.cfg.InfluxDB
	if c == nil {
		return nil
	}
	password, errPassword := config.Secret(c.PasswordFile)
	token, errToken := config.Secret(c.TokenFile)
	if err := errors.Join(errPassword, errToken); err != nil {
		return fmt.Errorf("influxdb: %w", err)
	}
	options := influxdb.Options{
		URL: c.URL, Database: c.Database, RetentionPolicy: c.RetentionPolicy, Username: c.Username, Password: password,
		Org: c.Org, Bucket: c.Bucket, Token: token, Retention: c.Retention, WithFields: c.WithFields,
		DisableCounters: c.DisableCounters, OmitLabelsTag: c.OmitLabelsTag, IDTags: c.IDTags, ClusterName: c.ClusterName,
		Dir: a.path("sinks/influxdb"), MaxBytes: int64(c.SpoolSize), Logger: a.logger("influxdb"), Registerer: a.metrics,
	}
	sink, err := influxdb.New(options)
	if err != nil {
		return fmt.Errorf("influxdb: %w", err)
	}
	a.group.Close("influxdb spool", sink)
	a.group.Go("influxdb", sink.Run)
	a.sinks = append(a.sinks, sink)
	if a.cfg.Historical == "influxdb" {
		a.historical, err = influxdb.NewHistory(options)
	}
	return err
}

func (a *App) buildElasticsearch() error {
	c := a.cfg.Elasticsearch
	if c == nil {
		return nil
	}
	password, errPassword := config.Secret(c.PasswordFile)
	key, errKey := config.Secret(c.APIKeyFile)
	if err := errors.Join(errPassword, errKey); err != nil {
		return fmt.Errorf("elasticsearch: %w", err)
	}
	options := elasticsearch.Options{
		URLs: c.URLs, Username: c.Username, Password: password, APIKey: key, MaxBytes: int64(c.SpoolSize),
		Shards: c.Shards, Replicas: c.Replicas, Logger: a.logger("elasticsearch"), Registerer: a.metrics,
	}
	if err := a.buildElasticsearchLogs(options, c); err != nil {
		return fmt.Errorf("elasticsearch: %w", err)
	}
	if !c.Metrics {
		return nil
	}
	options.Dir = a.path("sinks/elasticsearch-metrics")
	sink, err := elasticsearch.NewMetrics(elasticsearch.MetricsOptions{Options: options, Index: c.MetricsIndex, ClusterName: c.ClusterName})
	if err != nil {
		return fmt.Errorf("elasticsearch: %w", err)
	}
	a.group.Close("elasticsearch metrics spool", sink)
	a.group.Go("elasticsearch metrics", sink.Run)
	a.sinks = append(a.sinks, sink)
	return nil
}

func (a *App) buildElasticsearchLogs(options elasticsearch.Options, c *ElasticsearchConfig) error {
	if !c.Logs {
		return nil
	}
	options.Dir = a.path("sinks/elasticsearch-logs")
	sink, err := elasticsearch.NewLogs(elasticsearch.LogsOptions{Options: options, DataStream: c.DataStream, DailyPrefix: c.DailyPrefix})
	if err != nil {
		return err
	}
	a.group.Close("elasticsearch log spool", sink)
	a.group.Go("elasticsearch logs", sink.Run)
	a.logStores = append(a.logStores, sink)
	return nil
}
