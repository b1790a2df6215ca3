package influxdb

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/influxdata/influxdb-client-go/v2/domain"
)

// create makes the database with its retention policy, or the bucket. What
// exists already stays as it is.
func (s *Sink) create(ctx context.Context) error {
	if s.options.Database != "" {
		return s.createDatabase(ctx)
	}
	return s.createBucket(ctx)
}

func (s *Sink) createDatabase(ctx context.Context) error {
	duration := "INF"
	if s.options.Retention > 0 {
		// InfluxDB refuses less than an hour.
		duration = fmt.Sprintf("%ds", int64(max(s.options.Retention, time.Hour)/time.Second))
	}
	db, rp := quoteName(s.options.Database), quoteName(s.options.RetentionPolicy)
	_, err := influxQL(ctx, &s.options, fmt.Sprintf("CREATE DATABASE %s WITH DURATION %s REPLICATION 1 NAME %s", db, duration, rp), false)
	if err != nil && strings.Contains(err.Error(), "conflicts with an existing policy") {
		_, err = influxQL(ctx, &s.options, fmt.Sprintf("CREATE RETENTION POLICY %s ON %s DURATION %s REPLICATION 1", rp, db, duration), false)
	}
	if err != nil && strings.Contains(err.Error(), "already exists") {
		return nil
	}
	return err
}

func (s *Sink) createBucket(ctx context.Context) error {
	org, err := s.client.OrganizationsAPI().FindOrganizationByName(ctx, s.options.Org)
	if err != nil {
		return fmt.Errorf("find organisation %q: %w", s.options.Org, err)
	}
	var rules []domain.RetentionRule
	if s.options.Retention > 0 {
		rules = append(rules, domain.RetentionRule{EverySeconds: int64(s.options.Retention / time.Second)})
	}
	_, err = s.client.BucketsAPI().CreateBucketWithName(ctx, org, s.options.Bucket, rules...)
	if err != nil && !strings.Contains(err.Error(), "already exists") {
		return fmt.Errorf("create bucket %q: %w", s.options.Bucket, err)
	}
	return nil
}
