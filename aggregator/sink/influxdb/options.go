package influxdb

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options describe an InfluxDB and how figures are written into it. Exactly one
// of Database (InfluxDB 1.x) and Bucket (2.x) is set.
type Options struct {
	// URL is the server's, http://host:8086.
	URL string

	// Database is written by InfluxDB 1.8's own names; it is created when it is
	// missing and the user may. Heapster's is "k8s".
	Database string
	// RetentionPolicy is "default" when empty, as Heapster named it.
	RetentionPolicy string
	// Username and Password are for 1.x; empty where it asks for none.
	Username, Password string

	// Org, Bucket and Token are for 2.x. The bucket is created when it is
	// missing and the token may.
	Org, Bucket, Token string

	// Retention is given to a database or bucket that is created; 0 keeps
	// everything.
	Retention time.Duration

	// WithFields writes the part of a metric's name before the first slash as
	// measurement and the rest as field, so that the figures of an object share
	// a point. Otherwise each metric is a measurement with the field "value".
	WithFields bool
	// DisableCounters leaves out the nine counters that have a rate beside them.
	DisableCounters bool
	// OmitLabelsTag leaves out the tag "labels", which makes a series for every
	// set of labels that a pod ever had.
	OmitLabelsTag bool
	// IDTags writes pod_id, namespace_id, hostname and host_id too, which
	// Heapster did not. Queries by pod id need it.
	IDTags bool
	// ClusterName is the tag "cluster_name", "default" when empty.
	ClusterName string

	// Dir is where the spool and the dead letters lie.
	Dir string
	// MaxBytes caps the spool, 1 GiB when 0.
	MaxBytes int64
	// MaxPoints is how many points go into one request, 10,000 when 0.
	MaxPoints int
	// MinDelay and MaxDelay bound the pause between tries: 0.5 s and 30 s when 0.
	MinDelay, MaxDelay time.Duration

	// HTTPClient may be nil: then one with a time-out of a minute is made.
	HTTPClient *http.Client
	// Logger may be nil.
	Logger *slog.Logger
	// Registerer may be nil.
	Registerer prometheus.Registerer
}

const (
	defaultMaxPoints = 10_000
	requestTimeout   = time.Minute
)

func (o *Options) complete() error {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("influxdb: URL %q is not http://host:port", o.URL)
	}
	if (o.Database == "") == (o.Bucket == "") {
		return errors.New("influxdb: exactly one of database (1.x) and bucket (2.x) must be set")
	}
	if o.Bucket != "" && (o.Org == "" || o.Token == "") {
		return errors.New("influxdb: a bucket (2.x) needs org and token")
	}
	if o.MaxPoints < 0 || o.Retention < 0 {
		return errors.New("influxdb: negative option")
	}
	o.setDefaults()
	return nil
}

func (o *Options) setDefaults() {
	if o.Database != "" && o.RetentionPolicy == "" {
		o.RetentionPolicy = "default"
	}
	if o.ClusterName == "" {
		o.ClusterName = "default"
	}
	if o.MaxPoints == 0 {
		o.MaxPoints = defaultMaxPoints
	}
	if o.HTTPClient == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		o.HTTPClient = &http.Client{Timeout: requestTimeout, Transport: transport}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// bucket is the name that the write API knows the target by.
func (o *Options) bucket() string {
	if o.Database != "" {
		return o.Database + "/" + o.RetentionPolicy
	}
	return o.Bucket
}

// token is what goes behind "Token" in the Authorization header.
func (o *Options) token() string {
	switch {
	case o.Database == "":
		return o.Token
	case o.Username == "":
		return ""
	default:
		return o.Username + ":" + o.Password
	}
}
