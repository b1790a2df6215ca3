// Package logs serves the log store over HTTP below /api/v1/logs: searches,
// histograms, values of fields, and following by server-sent events. The paths
// and shapes are described in openapi.yaml.
package logs

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/lubberline/lubberline/aggregator/logstore"
)

// Store is what the handlers ask; *logstore.Store implements it.
type Store interface {
	// Query returns records in the query's order.
	Query(ctx context.Context, q logstore.Query) ([]logstore.Entry, error)
	// Histogram counts records by interval and by the values of a field.
	Histogram(ctx context.Context, q logstore.Query, interval time.Duration, by logstore.Field) ([]logstore.Bucket, error)
	// FieldValues returns a field's values, the most frequent first.
	FieldValues(ctx context.Context, q logstore.Query, field logstore.Field, limit int) ([]logstore.ValueCount, error)
	// Follow returns the newest records and a subscription to those after them.
	Follow(ctx context.Context, q logstore.Query) ([]logstore.Entry, *logstore.Subscription, error)
}

// heartbeat is how often a silent stream gets a comment, which keeps proxies
// from closing it and notices clients that are gone.
const heartbeat = 15 * time.Second

type handlers struct {
	store     Store
	now       func() time.Time
	heartbeat time.Duration
}

// Register adds the paths to r:
//
//	GET /api/v1/logs                       records, or a stream with follow=true
//	GET /api/v1/logs/histogram             counts by interval
//	GET /api/v1/logs/fields                names of fields
//	GET /api/v1/logs/fields/{field}/values values of a field
func Register(r gin.IRouter, store Store) {
	register(r, &handlers{store: store, now: time.Now, heartbeat: heartbeat})
}

func register(r gin.IRouter, h *handlers) {
	g := r.Group("/api/v1/logs")
	g.GET("", h.logs)
	g.GET("/histogram", h.histogram)
	g.GET("/fields", h.fields)
	g.GET("/fields/:field/values", h.values)
}

// Error is the body of every answer that is not a success.
type Error struct {
	// Error names the parameter and the value that are wrong, or what failed.
	Error string `json:"error"`
}

// fail answers with the status that the error asks for.
func fail(c *gin.Context, err error) {
	var bad *logstore.BadQueryError
	switch {
	case errors.As(err, &bad):
		c.AbortWithStatusJSON(http.StatusBadRequest, Error{err.Error()})
	case errors.Is(err, logstore.ErrClosed):
		c.AbortWithStatusJSON(http.StatusServiceUnavailable, Error{err.Error()})
	case c.Request.Context().Err() != nil:
		c.Abort() // nobody is there to read an answer
	default:
		c.AbortWithStatusJSON(http.StatusInternalServerError, Error{err.Error()})
	}
}

// Page is the answer to a search.
type Page struct {
	Entries []Entry `json:"entries"`
	// Next is the cursor of the following page, absent on the last one.
	Next string `json:"next,omitempty"`
}

func (h *handlers) logs(c *gin.Context) {
	p := newParams(c, h.now())
	q := p.query()
	follow := p.flag("follow")
	interval := p.duration("histogram")
	text := p.oneOf("format", "json", "text") == "text"
	if err := p.done(); err != nil {
		fail(c, err)
		return
	}
	switch {
	case interval > 0:
		h.answerHistogram(c, q, interval, logstore.FieldLevel)
	case follow:
		h.follow(c, q, text)
	default:
		h.answerPage(c, q, text)
	}
}

func (h *handlers) answerPage(c *gin.Context, q logstore.Query, text bool) {
	found, err := h.store.Query(c.Request.Context(), q)
	if err != nil {
		fail(c, err)
		return
	}
	if c.Query("order") == "tail" { // the newest ones, as a terminal shows them
		slices.Reverse(found)
	}
	if text {
		c.Header("Content-Type", "text/plain; charset=utf-8")
		for i := range found {
			c.Writer.WriteString(textLine(&found[i])) //nolint:errcheck // the client is gone
		}
		return
	}
	page := Page{Entries: make([]Entry, len(found))}
	for i := range found {
		page.Entries[i] = entryOf(&found[i])
	}
	if len(found) == q.Limit && c.Query("order") != "tail" {
		page.Next = page.Entries[len(found)-1].Cursor
	}
	c.JSON(http.StatusOK, page)
}

// Histogram is the answer to a histogram: intervals without records are left out.
type Histogram struct {
	// Interval is the length of a bucket, as "1m0s".
	Interval string   `json:"interval"`
	By       string   `json:"by,omitempty"`
	Buckets  []Bucket `json:"buckets"`
}

// Bucket is one interval.
type Bucket struct {
	// Start is the begin of the interval, RFC 3339.
	Start time.Time `json:"start"`
	Total int64     `json:"total"`
	// Counts is by value of the field; "unknown" where a record has none.
	Counts map[string]int64 `json:"counts,omitempty"`
}

func (h *handlers) histogram(c *gin.Context) {
	p := newParams(c, h.now())
	q := p.query()
	interval := p.duration("interval")
	by := logstore.Field(p.value("by"))
	if by == "" {
		by = logstore.FieldLevel
	}
	if err := p.done(); err != nil {
		fail(c, err)
		return
	}
	h.answerHistogram(c, q, interval, by)
}

func (h *handlers) answerHistogram(c *gin.Context, q logstore.Query, interval time.Duration, by logstore.Field) {
	if q.To.IsZero() {
		q.To = h.now()
	}
	if q.From.IsZero() {
		q.From = q.To.Add(-time.Hour)
	}
	if interval == 0 {
		interval = niceInterval(q.To.Sub(q.From))
	}
	buckets, err := h.store.Histogram(c.Request.Context(), q, interval, by)
	if err != nil {
		fail(c, err)
		return
	}
	answer := Histogram{Interval: interval.String(), By: string(by), Buckets: make([]Bucket, len(buckets))}
	for i, b := range buckets {
		out := Bucket{Start: b.Start, Counts: map[string]int64{}}
		for value, n := range b.Counts {
			if value == "" {
				value = "unknown"
			}
			out.Counts[value] += n
			out.Total += n
		}
		answer.Buckets[i] = out
	}
	c.JSON(http.StatusOK, answer)
}

// niceInterval divides a range into about sixty intervals of a round length.
func niceInterval(span time.Duration) time.Duration {
	for _, d := range []time.Duration{time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute,
		15 * time.Minute, time.Hour, 6 * time.Hour} {
		if span/d <= 120 {
			return d
		}
	}
	return max(24*time.Hour, span/120)
}

// Values is the answer to a question for a field's values.
type Values struct {
	Field  string  `json:"field"`
	Values []Value `json:"values"`
}

// Value is a value and the number of records that have it.
type Value struct {
	Value string `json:"value"`
	Count int64  `json:"count"`
}

func (h *handlers) values(c *gin.Context) {
	p := newParams(c, h.now())
	q := p.query()
	if err := p.done(); err != nil {
		fail(c, err)
		return
	}
	field := logstore.Field(c.Param("field"))
	found, err := h.store.FieldValues(c.Request.Context(), q, field, q.Limit)
	if err != nil {
		fail(c, err)
		return
	}
	answer := Values{Field: string(field), Values: make([]Value, len(found))}
	for i, v := range found {
		answer.Values[i] = Value{v.Value, v.Count}
	}
	c.JSON(http.StatusOK, answer)
}

// FieldNames is the answer to a question for the fields.
type FieldNames struct {
	Fields []logstore.Field `json:"fields"`
}

func (h *handlers) fields(c *gin.Context) {
	c.JSON(http.StatusOK, FieldNames{logstore.Fields()})
}
