// Package elastic answers the part of Elasticsearch's HTTP API that log tools
// use, Grafana's Elasticsearch data source above all, from the embedded log
// store: _search and _msearch with aggregations, _mapping, _field_caps and
// _bulk. A search becomes one SQL statement for its aggregations and its total,
// and one for its hits. What is not supported is refused by name with status
// 400, in Elasticsearch's shape.
//
// Documents look as Fluentd's Kubernetes metadata plugin writes them:
//
//	{"@timestamp": "2026-11-24T12:00:00.123456789Z", "log": "…", "stream": "stdout", "level": "info", "tag": "…",
//	 "kubernetes": {"namespace_name": "…", "pod_name": "…", "pod_id": "…", "container_name": "…",
//	                "container_image": "…", "host": "…", "labels": {…}},
//	 "docker": {"container_id": "…"}, …further fields of the record}
//
// All indices are one: any index name or pattern means all records.
package elastic

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/lubberline/lubberline/aggregator/logstore"
	"github.com/lubberline/lubberline/logrecord"
)

// Store is what the handlers ask; *logstore.Store implements it.
type Store interface {
	// View runs f over the days of the range and tells whether there are any.
	View(ctx context.Context, from, to time.Time, f func(*logstore.Reader) error) (bool, error)
	// AppendReport stores batches and tells which of them were new.
	AppendReport(ctx context.Context, batches []logrecord.Batch) ([]bool, error)
}

const (
	// indexName is the index that documents are said to be in.
	indexName = "lubberline-logs"
	// version is the version of Elasticsearch whose shapes are answered.
	version = "8.15.3"

	maxSearchBody = 8 << 20
	maxBulkBody   = 64 << 20
)

type handlers struct {
	store Store
	now   func() time.Time
}

// Register adds the paths to r, which is best a group such as "/elastic".
func Register(r gin.IRouter, store Store) {
	register(r, &handlers{store: store, now: time.Now})
}

func register(r gin.IRouter, h *handlers) {
	g := r.Group("", product)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		for _, prefix := range []string{"", "/:index"} {
			g.Handle(method, prefix+"/_search", h.search)
			g.Handle(method, prefix+"/_msearch", h.msearch)
			g.Handle(method, prefix+"/_count", h.count)
			g.Handle(method, prefix+"/_field_caps", h.fieldCaps)
		}
	}
	for _, prefix := range []string{"", "/:index"} {
		g.POST(prefix+"/_bulk", h.bulk)
		g.PUT(prefix+"/_bulk", h.bulk)
		g.GET(prefix+"/_mapping", h.mapping)
		g.GET(prefix+"/_mappings", h.mapping)
	}
	g.GET("/", h.root)
	g.HEAD("/", h.root)
	g.GET("/_cluster/health", h.health)
	g.GET("/_cluster/health/:index", h.health)
	g.GET("/_cat/indices", h.catIndices)
}

// product names the product, without which Elastic's own clients refuse to
// talk.
func product(c *gin.Context) {
	c.Header("X-Elastic-Product", "Elasticsearch")
	c.Next()
}

func (h *handlers) root(c *gin.Context) {
	c.JSON(http.StatusOK, gin.H{
		"name": "lubberline", "cluster_name": "lubberline", "cluster_uuid": "lubberline-log-store",
		"version": gin.H{"number": version, "build_flavor": "default", "build_type": "tar", "build_snapshot": false,
			"lucene_version": "9.11.1", "minimum_wire_compatibility_version": "7.17.0", "minimum_index_compatibility_version": "7.0.0"},
		"tagline": "You Know, for Search",
	})
}

func (h *handlers) health(c *gin.Context) {
	c.JSON(http.StatusOK, gin.H{"cluster_name": "lubberline", "status": "green", "timed_out": false, "number_of_nodes": 1,
		"number_of_data_nodes": 1, "active_primary_shards": 1, "active_shards": 1, "relocating_shards": 0,
		"initializing_shards": 0, "unassigned_shards": 0, "active_shards_percent_as_number": 100.0})
}

func (h *handlers) catIndices(c *gin.Context) {
	n, err := h.countAll(c.Request.Context(), &expr{sql: "true", from: minTime, to: maxTime})
	if err != nil {
		fail(c, err)
		return
	}
	if c.Query("format") == "json" {
		c.JSON(http.StatusOK, []gin.H{{"health": "green", "status": "open", "index": indexName, "pri": "1", "rep": "0", "docs.count": itoa(n)}})
		return
	}
	c.String(http.StatusOK, "green open %s 1 0 %d\n", indexName, n)
}
