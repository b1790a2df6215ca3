package elastic

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/lubberline/lubberline/aggregator/logstore"
)

const (
	defaultSize = 10
	maxSize     = 10_000
)

// searchRequest is the body of a search, compiled.
type searchRequest struct {
	filter     *expr
	size, from int
	sort       []sortKey
	after      *expr
	plan       *aggPlan
	total      bool // count all hits
	source     bool // write _source
	fields     []fieldFormat
}

// parseSearch compiles a search body.
func parseSearch(body object, now time.Time) (*searchRequest, error) {
	req := &searchRequest{size: defaultSize, total: true, source: true}
	c := &compiler{now: now}
	for _, key := range keysOf(body) {
		switch key {
		case "query", "aggs", "aggregations", "size", "from", "sort", "search_after", "track_total_hits", "_source", "fields",
			"docvalue_fields":
		case "highlight", "stored_fields", "version", "timeout", "track_scores", "explain", "preference", "profile",
			"seq_no_primary_term", "terminate_after", "min_score", "indices_boost", "stats", "runtime_mappings", "script_fields":
			if o, ok := body[key].(object); ok && len(o) > 0 && (key == "runtime_mappings" || key == "script_fields") {
				return nil, unsupported("key of a search", key)
			}
		default:
			return nil, unsupported("key of a search", key)
		}
	}
	var err error
	if req.filter, err = c.query(body["query"]); err != nil {
		return nil, err
	}
	if err := req.parsePage(body); err != nil {
		return nil, err
	}
	root := &bucketAgg{}
	p := &aggParser{c: c}
	for _, key := range []string{"aggs", "aggregations"} {
		if err := p.parse(body[key], root, 1); err != nil {
			return nil, err
		}
	}
	if len(root.children)+len(root.metrics) > 0 {
		req.plan = newPlan(root)
	}
	if v, ok := body["_source"].(bool); ok {
		req.source = v
	}
	req.fields = append(parseFields(body["fields"]), parseFields(body["docvalue_fields"])...)
	return req, nil
}

func (req *searchRequest) parsePage(body object) error {
	for key, target := range map[string]*int{"size": &req.size, "from": &req.from} {
		v := body[key]
		if v == nil {
			continue
		}
		n, err := strconv.Atoi(scalarText(v))
		if err != nil || n < 0 {
			return badRequest("illegal_argument_exception", "[%s] parameter must be a number >= 0, found [%.100s]", key, scalarText(v))
		}
		*target = n
	}
	if req.size > maxSize || req.from > maxSize || req.size+req.from > maxSize {
		return badRequest("illegal_argument_exception", "Result window is too large, from + size must be less than or equal to: [%d] but was [%d]", maxSize, req.size+req.from)
	}
	if v, ok := body["track_total_hits"].(bool); ok && !v {
		req.total = false
	}
	var err error
	if req.sort, err = parseSort(body["sort"]); err != nil {
		return err
	}
	if v := body["search_after"]; v != nil {
		req.after, err = searchAfter(v, req.sort)
	}
	return err
}

// searcher runs one search.
type searcher struct {
	req    *searchRequest
	plan   *aggPlan
	reader *logstore.Reader
}

// run answers a search: Elasticsearch's document without its status.
func (h *handlers) run(ctx context.Context, req *searchRequest) (object, error) {
	start := time.Now()
	hits := object{"max_score": nil, "hits": []any{}}
	answer := object{"timed_out": false, "_shards": object{"total": 1, "successful": 1, "skipped": 0, "failed": 0}, "hits": hits}
	s := &searcher{req: req, plan: req.plan}
	if s.plan == nil {
		s.plan = newPlan(&bucketAgg{})
	}
	_, err := h.store.View(ctx, viewTime(req.filter.from), viewTime(req.filter.to), func(r *logstore.Reader) error {
		s.reader = r
		if req.total || req.plan != nil {
			if err := s.plan.read(ctx, r, req.filter); err != nil {
				return err
			}
		}
		list, err := s.hits(ctx)
		hits["hits"] = list
		return err
	})
	if err != nil {
		return nil, err
	}
	root := &bucketRow{metrics: make([]any, s.plan.columns)}
	if rows := s.plan.root.rows[""]; len(rows) > 0 {
		root = rows[0]
	}
	if req.total {
		hits["total"] = object{"value": root.count, "relation": "eq"}
	}
	if req.plan != nil {
		aggregations := object{}
		s.output(s.plan.root, root, aggregations)
		answer["aggregations"] = aggregations
	}
	answer["took"] = time.Since(start).Milliseconds()
	return answer, nil
}

// viewTime turns a bound into the store's, for which the zero time is none.
func viewTime(ns int64) time.Time {
	if ns == minTime || ns == maxTime {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

func (h *handlers) search(c *gin.Context) {
	body, err := readObject(c)
	if err != nil {
		fail(c, err)
		return
	}
	if q := c.Query("q"); q != "" && body["query"] == nil {
		body["query"] = object{"query_string": object{"query": q}}
	}
	for _, key := range []string{"size", "from"} {
		if v := c.Query(key); v != "" {
			body[key] = v
		}
	}
	req, err := parseSearch(body, h.now())
	if err != nil {
		fail(c, err)
		return
	}
	answer, err := h.run(c.Request.Context(), req)
	if err != nil {
		fail(c, err)
		return
	}
	totalAsNumber(c, answer)
	c.JSON(http.StatusOK, answer)
}

// totalAsNumber writes the total as version 6 did when the client asks so.
func totalAsNumber(c *gin.Context, answer object) {
	hits, ok := answer["hits"].(object)
	if !ok || c.Query("rest_total_hits_as_int") != "true" {
		return
	}
	if total, ok := hits["total"].(object); ok {
		hits["total"] = total["value"]
	}
}

// readBody reads the whole body up to the limit.
func readBody(c *gin.Context, limit int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, limit))
	if err != nil {
		return nil, &apiError{http.StatusRequestEntityTooLarge, "content_too_long_exception", "read body: " + err.Error()}
	}
	return body, nil
}

// readObject reads a body of one JSON object; an empty one is an empty object.
func readObject(c *gin.Context) (object, error) {
	body, err := readBody(c, maxSearchBody)
	if err != nil {
		return nil, err
	}
	return parseObject(body)
}

func parseObject(body []byte) (object, error) {
	if len(body) == 0 {
		return object{}, nil
	}
	v, err := decode(body)
	if err != nil {
		return nil, err
	}
	o, ok := v.(object)
	if !ok {
		return nil, parsingError("expected a JSON object")
	}
	return o, nil
}

func (h *handlers) count(c *gin.Context) {
	body, err := readObject(c)
	if err != nil {
		fail(c, err)
		return
	}
	filter, err := (&compiler{now: h.now()}).query(body["query"])
	if err != nil {
		fail(c, err)
		return
	}
	n, err := h.countAll(c.Request.Context(), filter)
	if err != nil {
		fail(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"count": n, "_shards": gin.H{"total": 1, "successful": 1, "skipped": 0, "failed": 0}})
}

func (h *handlers) countAll(ctx context.Context, filter *expr) (int64, error) {
	plan := newPlan(&bucketAgg{})
	_, err := h.store.View(ctx, viewTime(filter.from), viewTime(filter.to), func(r *logstore.Reader) error {
		return plan.read(ctx, r, filter)
	})
	if rows := plan.root.rows[""]; len(rows) > 0 && err == nil {
		return rows[0].count, nil
	}
	return 0, err
}

// number reads a JSON number or a text of one as int64, exponents included.
func number(v any) (int64, bool) {
	text := scalarText(v)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	if _, ok := v.(json.Number); !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	return int64(f), err == nil && f > -9e18 && f < 9e18
}
