package elasticsearch

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// itemResult is what a bulk answer says of one document.
type itemResult struct {
	Status int       `json:"status"`
	Error  itemError `json:"error"`
}

type itemError struct {
	Type     string `json:"type"`
	Reason   string `json:"reason"`
	CausedBy *struct {
		Reason string `json:"reason"`
	} `json:"caused_by"`
}

func (e itemError) String() string {
	s := e.Type + ": " + e.Reason
	if e.CausedBy != nil && e.CausedBy.Reason != "" {
		s += ": " + e.CausedBy.Reason
	}
	return s
}

// decodeBulk returns the results of want documents, nil if all were stored.
func decodeBulk(text []byte, want int) ([]itemResult, error) {
	var answer struct {
		Errors *bool                   `json:"errors"`
		Items  []map[string]itemResult `json:"items"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("elasticsearch: read the bulk answer: %w", err)
	}
	if answer.Errors == nil || len(answer.Items) != want {
		return nil, fmt.Errorf("elasticsearch: the bulk answer has %d results for %d documents", len(answer.Items), want)
	}
	if !*answer.Errors {
		return nil, nil
	}
	items := make([]itemResult, 0, want)
	for i, item := range answer.Items {
		if len(item) != 1 {
			return nil, fmt.Errorf("elasticsearch: result %d of the bulk answer has %d actions, want one", i, len(item))
		}
		for _, r := range item {
			items = append(items, r)
		}
	}
	return items, nil
}

type outcome int

const (
	stored outcome = iota
	duplicate
	putOff
	refused
)

// passing are reasons for status 400 that are not the document's fault and can
// be mended at the server: too many shards, a closed or missing index.
var passing = []string{
	"validation_exception", "index_closed_exception", "cluster_block_exception",
	"index_not_found_exception", "security_exception", "no_shard_available_action_exception",
}

// outcomeOf says what became of a document. The id being taken means that an
// earlier request, whose answer was lost, has stored it.
func outcomeOf(r itemResult) outcome {
	switch {
	case r.Status/100 == 2:
		return stored
	case r.Status == http.StatusConflict:
		return duplicate
	case r.Status == http.StatusBadRequest || r.Status == http.StatusRequestEntityTooLarge:
		if slices.Contains(passing, r.Error.Type) || strings.Contains(r.Error.Reason, "no write index is defined") {
			return putOff
		}
		return refused
	default:
		return putOff
	}
}
