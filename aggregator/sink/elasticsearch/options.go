package elasticsearch

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options say where the Elasticsearch is and how it is written to. They are the
// same for logs and for metrics; each sink needs a Dir of its own.
type Options struct {
	// URLs are the nodes', http://host:9200. They are used in turn, another one
	// after each failure.
	URLs []string
	// Username and Password, or APIKey (the base64 form), may be empty.
	Username, Password, APIKey string

	// Dir is where the spool and the dead letters lie.
	Dir string
	// MaxBytes caps the spool, 1 GiB when 0. Entries are compressed.
	MaxBytes int64
	// MaxRequestBytes is up to how large a bulk request is, 5 MB when 0.
	MaxRequestBytes int
	// InFlight is how many jobs are sent at the same time, 2 when 0.
	InFlight int
	// MinDelay and MaxDelay bound the pause between tries: 0.5 s and 30 s when 0.
	MinDelay, MaxDelay time.Duration

	// Shards and Replicas go into the templates; 0 and nil leave the server's
	// defaults.
	Shards   int
	Replicas *int

	// HTTPClient may be nil: then one with a time-out of a minute is made.
	HTTPClient *http.Client
	// Logger may be nil.
	Logger *slog.Logger
	// Registerer may be nil.
	Registerer prometheus.Registerer
}

const (
	defaultRequestBytes = 5 << 20
	defaultInFlight     = 2
	requestTimeout      = time.Minute
)

func (o *Options) complete() error {
	if len(o.URLs) == 0 {
		return errors.New("elasticsearch: no URL")
	}
	for _, text := range o.URLs {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return fmt.Errorf("elasticsearch: URL %q is not http://host:port", text)
		}
	}
	if o.MaxRequestBytes < 0 || o.InFlight < 0 || o.MaxBytes < 0 {
		return errors.New("elasticsearch: negative option")
	}
	if o.APIKey != "" && o.Username != "" {
		return errors.New("elasticsearch: either a user or an API key, not both")
	}
	o.setDefaults()
	return nil
}

func (o *Options) setDefaults() {
	if o.MaxRequestBytes == 0 {
		o.MaxRequestBytes = defaultRequestBytes
	}
	if o.InFlight == 0 {
		o.InFlight = defaultInFlight
	}
	if o.HTTPClient == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		o.HTTPClient = &http.Client{Timeout: requestTimeout, Transport: transport}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// settings are those of the indices that a template makes.
func (o *Options) settings(more map[string]any) map[string]any {
	s := map[string]any{}
	if o.Shards > 0 {
		s["number_of_shards"] = o.Shards
	}
	if o.Replicas != nil {
		s["number_of_replicas"] = *o.Replicas
	}
	maps.Copy(s, more)
	return s
}

// indexName is what a name, or the start of one, may be made of.
var indexName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]*$`)

func checkIndexName(name string) error {
	if !indexName.MatchString(name) || len(name) > 200 || strings.HasSuffix(name, ".") {
		return fmt.Errorf("elasticsearch: %q cannot be the name of an index: want only lower case letters, digits, and .-_", name)
	}
	return nil
}
