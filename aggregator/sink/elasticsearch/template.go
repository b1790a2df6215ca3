package elasticsearch

import (
	"context"
	"fmt"
	"net/url"
	"sync"
)

// template is the index template that must be there before the first document.
type template struct {
	name string
	body map[string]any
	// hint is added to the error when the server does not take the template.
	hint string

	mu   sync.Mutex // guards put, and makes others wait for the first
	done bool
}

// ensure puts the template once; it tries again until it was taken.
func (t *template) ensure(ctx context.Context, c *client) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done {
		return nil
	}
	if err := c.put(ctx, "/_index_template/"+url.PathEscape(t.name), t.body); err != nil {
		return fmt.Errorf("put index template %s%s: %w", t.name, t.hint, err)
	}
	t.done = true
	return nil
}

// Types of fields.
var (
	keyword = map[string]any{"type": "keyword", "ignore_above": 1024}
	long    = map[string]any{"type": "long"}
	double  = map[string]any{"type": "double"}
	date    = map[string]any{"type": "date"}
)

func object(properties map[string]any) map[string]any {
	return map[string]any{"properties": properties}
}

// stringsAreKeywords keeps fields that nobody foresaw from being indexed twice,
// as text and as keyword.
var stringsAreKeywords = map[string]any{
	"strings": map[string]any{"match_mapping_type": "string", "mapping": keyword},
}
