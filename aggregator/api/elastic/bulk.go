package elastic

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/lubberline/lubberline/logrecord"
)

// bulkItem is an action of a bulk request.
type bulkItem struct {
	action, index, id string
	record            logrecord.Record
	dated             bool // the document has a time
	err               error
	batch             int // in the request to the store
}

// bulk stores the documents of create and index actions. A document with an
// _id is stored once: a later create of the id is answered with 409, a later
// index with 200 and "noop". Documents without one are recognised as a resend
// when the whole request is the same and each of them has a time of its own.
func (h *handlers) bulk(c *gin.Context) {
	start := time.Now()
	body, err := readBulk(c)
	if err != nil {
		fail(c, err)
		return
	}
	items, err := parseBulk(body, c.Param("index"), h.now())
	if err != nil {
		fail(c, err)
		return
	}
	stored, err := h.store.AppendReport(c.Request.Context(), batchesOf(items, body))
	if err != nil {
		fail(c, err)
		return
	}
	list := make([]object, len(items))
	errors := false
	for i := range items {
		status, result := items[i].result(stored)
		errors = errors || status >= 400
		list[i] = object{items[i].action: result}
	}
	c.JSON(http.StatusOK, object{"took": time.Since(start).Milliseconds(), "errors": errors, "items": list})
}

func readBulk(c *gin.Context) ([]byte, error) {
	if c.GetHeader("Content-Encoding") != "gzip" {
		return readBody(c, maxBulkBody)
	}
	z, err := gzip.NewReader(http.MaxBytesReader(c.Writer, c.Request.Body, maxBulkBody))
	if err != nil {
		return nil, badRequest("parse_exception", "body is not gzip: %v", err)
	}
	body, err := io.ReadAll(io.LimitReader(z, maxBulkBody+1))
	if err != nil {
		return nil, badRequest("parse_exception", "body is not gzip: %v", err)
	}
	if len(body) > maxBulkBody {
		return nil, &apiError{http.StatusRequestEntityTooLarge, "content_too_long_exception", "body is larger than 64 MiB when unpacked"}
	}
	return body, nil
}

// parseBulk reads the lines of a bulk request. A broken action fails the
// request, a broken document only itself.
func parseBulk(body []byte, index string, now time.Time) ([]bulkItem, error) {
	var items []bulkItem
	for n := 1; len(body) > 0; n++ {
		var line []byte
		line, body, _ = bytes.Cut(body, []byte("\n"))
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		item, err := parseAction(line, index)
		if err != nil {
			return nil, badRequest("illegal_argument_exception", "malformed action/metadata line [%d]: %v", n, err)
		}
		if item.action != "delete" {
			n++
			line, body, _ = bytes.Cut(body, []byte("\n"))
			item.parseDocument(line, now)
		} else {
			item.err = unsupported("bulk action", item.action)
		}
		items = append(items, item)
	}
	if len(items) == 0 {
		return nil, badRequest("parse_exception", "request body is required")
	}
	return items, nil
}

func parseAction(line []byte, index string) (bulkItem, error) {
	o, err := parseObject(line)
	if err != nil {
		return bulkItem{}, err
	}
	if len(o) != 1 {
		return bulkItem{}, fmt.Errorf("expected one action, found %d", len(o))
	}
	item := bulkItem{action: keysOf(o)[0], index: index, batch: -1}
	switch item.action {
	case "create", "index", "delete", "update":
	default:
		return bulkItem{}, fmt.Errorf("unknown action [%.100s]", item.action)
	}
	meta, _ := o[item.action].(object)
	item.id = scalarText(meta["_id"])
	if v := scalarText(meta["_index"]); v != "" {
		item.index = v
	}
	return item, nil
}

func (item *bulkItem) parseDocument(line []byte, now time.Time) {
	if item.action == "update" {
		item.err = unsupported("bulk action", item.action)
		return
	}
	v, err := decode(line)
	doc, ok := v.(object)
	if err != nil || !ok {
		item.err = badRequest("document_parsing_exception", "failed to parse: the document is no JSON object")
		return
	}
	item.record, item.dated, item.err = recordOf(doc, now)
}

// recordOf takes the known fields out of the document; what is left becomes
// the further fields of the record. A document without a time is of now.
func recordOf(doc object, now time.Time) (r logrecord.Record, dated bool, err error) {
	r.Time = now.UnixNano()
	if v := doc[timeField]; v != nil {
		if !isScalar(v) {
			return r, false, badRequest("document_parsing_exception", "failed to parse field [@timestamp]")
		}
		if r.Time, _, err = parseDate(v, "", now); err != nil {
			return r, false, badRequest("document_parsing_exception", "failed to parse field [@timestamp]: %v", err)
		}
		dated = true
		delete(doc, timeField)
	}
	for _, name := range []string{"log", "message"} {
		if s, ok := doc[name].(string); ok && r.Log == "" {
			r.Log = s
			delete(doc, name)
		}
	}
	r.Stream, r.Tag = take(doc, logrecord.FieldStream), take(doc, "tag")
	r.Source = sourceOf(doc)
	if len(doc) > 0 {
		text, err := json.Marshal(doc)
		if err != nil {
			return r, dated, badRequest("document_parsing_exception", "failed to write fields: %v", err)
		}
		r.Fields = string(text)
	}
	return r, dated, nil
}

// take removes a text from the object.
func take(o object, name string) string {
	s, ok := o[name].(string)
	if ok {
		delete(o, name)
	}
	return s
}

// sourceOf takes what is known of the origin out of the document.
func sourceOf(doc object) *logrecord.Source {
	s := &logrecord.Source{}
	if k, ok := doc[logrecord.FieldKubernetes].(object); ok {
		s.Namespace, s.Pod, s.PodUID = take(k, logrecord.FieldNamespace), take(k, logrecord.FieldPod), take(k, logrecord.FieldPodUID)
		s.Controller = take(k, logrecord.FieldController)
		s.Container, s.Image, s.Host = take(k, logrecord.FieldContainer), take(k, logrecord.FieldImage), take(k, logrecord.FieldHost)
		if labels, ok := k[logrecord.FieldLabels].(object); ok {
			s.Labels = map[string]string{}
			for name, v := range labels {
				s.Labels[name] = scalarText(v)
			}
			delete(k, logrecord.FieldLabels)
		}
		if len(k) == 0 {
			delete(doc, logrecord.FieldKubernetes)
		}
	}
	if d, ok := doc[logrecord.FieldDocker].(object); ok {
		s.ContainerID = take(d, logrecord.FieldContainerID)
		if len(d) == 0 {
			delete(doc, logrecord.FieldDocker)
		}
	}
	return s
}

// batchesOf makes a batch of each document with an id, and one of the rest.
func batchesOf(items []bulkItem, body []byte) []logrecord.Batch {
	var batches []logrecord.Batch
	rest, dated := logrecord.Batch{}, true
	var unnamed []int
	for i := range items {
		item := &items[i]
		switch {
		case item.err != nil:
		case item.id != "":
			item.batch = len(batches)
			batches = append(batches, logrecord.Batch{ChunkID: "elastic/" + item.index + "/" + item.id, Records: []logrecord.Record{item.record}})
		default:
			dated = dated && item.dated
			unnamed = append(unnamed, i)
			rest.Records = append(rest.Records, item.record)
		}
	}
	if dated && len(unnamed) > 0 {
		sum := sha256.Sum256(body)
		rest.ChunkID = "elastic-bulk/" + hex.EncodeToString(sum[:])
	}
	if len(unnamed) > 0 {
		for _, i := range unnamed {
			items[i].batch = len(batches)
		}
		batches = append(batches, rest)
	}
	return batches
}

func (item *bulkItem) result(stored []bool) (status int, result object) {
	if item.err != nil {
		status, body := errorBody(item.err)
		return status, object{"_index": item.index, "_id": item.id, "status": status, "error": body["error"]}
	}
	id := item.id
	if id == "" {
		sum := sha256.Sum256([]byte(strings.Join([]string{item.record.Log, item.record.Fields, itoa(item.record.Time)}, "\x00")))
		id = hex.EncodeToString(sum[:10])
	}
	result = object{"_index": item.index, "_id": id, "_version": 1, "result": "created", "status": http.StatusCreated,
		"_shards": object{"total": 1, "successful": 1, "failed": 0}}
	if stored[item.batch] || item.id == "" {
		return http.StatusCreated, result
	}
	if item.action == "index" {
		result["result"], result["status"] = "noop", http.StatusOK
		return http.StatusOK, result
	}
	status, body := errorBody(&apiError{http.StatusConflict, "version_conflict_engine_exception",
		"[" + item.id + "]: version conflict, document already exists (current version [1])"})
	return status, object{"_index": item.index, "_id": item.id, "status": status, "error": body["error"]}
}
