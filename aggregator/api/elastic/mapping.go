package elastic

import (
	"context"
	"encoding/json"
	"net/http"
	"path"
	"sort"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/lubberline/lubberline/aggregator/logstore"
)

const (
	// sampled is how many records are looked at for further fields.
	sampled = 2000
	// maxFields bounds the fields that a mapping names.
	maxFields = 1000
)

// knownFields are the fields of every mapping with their types, and those that
// a sample of the newest records has besides.
func (h *handlers) knownFields(ctx context.Context) (map[string]string, error) {
	fields := map[string]string{timeField: "date", "log": "text", "level": "keyword"}
	for _, f := range sourceFields() {
		fields[f.name] = "keyword"
	}
	_, err := h.store.View(ctx, h.now().Add(-24*time.Hour), time.Time{}, func(r *logstore.Reader) error {
		if err := sample(ctx, r, "SELECT DISTINCT labels FROM (SELECT labels FROM "+r.Relation(true)+" LIMIT 200000) WHERE labels <> ''", labelPrefix, fields); err != nil {
			return err
		}
		if err := sample(ctx, r, "SELECT fields FROM "+r.Relation(false)+" WHERE fields IS NOT NULL LIMIT ?", "", fields, sampled); err != nil {
			return err
		}
		return sample(ctx, r, "SELECT message FROM "+r.Relation(false)+" WHERE message LIKE '{%' LIMIT ?", "", fields, sampled)
	})
	return fields, err
}

// sample adds the keys of the JSON objects that the statement returns.
func sample(ctx context.Context, r *logstore.Reader, statement, prefix string, fields map[string]string, args ...any) error {
	rows, err := r.Query(ctx, statement, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		var o object
		if json.Unmarshal([]byte(text), &o) == nil {
			addKeys(o, prefix, prefix == labelPrefix, fields)
		}
	}
	return rows.Err()
}

// addKeys adds an object's keys, those of inner objects joined by dots unless
// it is flat.
func addKeys(o object, prefix string, flat bool, fields map[string]string) {
	for key, v := range o {
		if inner, ok := v.(object); ok && !flat && strings.Count(prefix, ".") < 4 {
			addKeys(inner, prefix+key+".", false, fields)
			continue
		}
		name := prefix + key
		if _, known := fields[name]; known || len(fields) >= maxFields || key == "" || v == nil {
			continue
		}
		fields[name] = "keyword"
		if _, ok := v.(float64); ok {
			fields[name] = "double"
		}
	}
}

// mapping answers {index: {"mappings": {"properties": …}}}.
func (h *handlers) mapping(c *gin.Context) {
	fields, err := h.knownFields(c.Request.Context())
	if err != nil {
		fail(c, err)
		return
	}
	c.JSON(http.StatusOK, object{indexName: object{"mappings": object{"properties": properties(fields)}}})
}

// properties nests the fields by their dots; labels keep theirs.
func properties(fields map[string]string) object {
	root := object{}
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		parts := strings.Split(name, ".")
		if label, ok := strings.CutPrefix(name, labelPrefix); ok {
			parts = []string{"kubernetes", "labels", label}
		}
		at := root
		for _, p := range parts[:len(parts)-1] {
			inner, ok := at[p].(object)
			if !ok {
				inner = object{}
				at[p] = inner
			}
			below, ok := inner["properties"].(object)
			if !ok {
				below = object{}
				inner["properties"] = below
			}
			at = below
		}
		leaf := parts[len(parts)-1]
		if _, taken := at[leaf]; !taken {
			at[leaf] = object{"type": fields[name]}
		}
	}
	return root
}

// fieldCaps answers {"indices": […], "fields": {name: {type: {…}}}}.
func (h *handlers) fieldCaps(c *gin.Context) {
	fields, err := h.knownFields(c.Request.Context())
	if err != nil {
		fail(c, err)
		return
	}
	patterns := strings.Split(c.DefaultQuery("fields", "*"), ",")
	out := object{}
	for name, kind := range fields {
		for _, p := range patterns {
			if ok, err := path.Match(strings.TrimSpace(p), name); (ok && err == nil) || strings.TrimSpace(p) == "*" {
				out[name] = object{kind: object{"type": kind, "metadata_field": false, "searchable": true, "aggregatable": kind != "text"}}
			}
		}
	}
	c.JSON(http.StatusOK, object{"indices": []string{indexName}, "fields": out})
}
