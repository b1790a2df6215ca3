package push

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/grafana-tools/sdk"

	"github.com/lubberline/lubberline/dashboards/provision"
)

// folderOf is the UID in a folder's address, /dashboards/f/UID/name; empty for
// the general folder.
func folderOf(url string) string {
	_, rest, ok := strings.Cut(url, "/dashboards/f/")
	if !ok {
		return ""
	}
	uid, _, _ := strings.Cut(rest, "/")
	return uid
}

// sources makes the data sources that are missing and updates those that are
// otherwise. Secrets cannot be read back and count as equal.
func (p *pusher) sources(ctx context.Context) error {
	there, err := p.client.GetAllDatasources(ctx)
	if err != nil {
		return fmt.Errorf("dashboards push: read data sources: %w", plain(err))
	}
	for _, s := range provision.Sources(p.options.Sources) {
		p.done(p.source(ctx, there, s))
	}
	return nil
}

func (p *pusher) source(ctx context.Context, there []sdk.Datasource, s provision.Source) Result {
	r := Result{Kind: "data source", Name: s.Name, Outcome: Created}
	want := sdk.Datasource{
		UID: s.UID, Name: s.Name, Type: s.Type, Access: s.Access, URL: s.URL, IsDefault: s.IsDefault && !hasDefault(there, s.UID),
		JSONData: s.JSON, SecureJSONData: s.Secure,
	}
	if s.User != "" {
		want.User = &s.User
	}
	if s.Database != "" {
		want.Database = &s.Database
	}
	for i := range there {
		have := &there[i]
		if have.UID != s.UID {
			continue
		}
		if equalSources(have, &want) {
			r.Outcome = Unchanged
			return r
		}
		if have.ReadOnly != nil && *have.ReadOnly {
			r.Outcome, r.Note = Kept, "it comes from a provisioning file"
			return r
		}
		want.ID, want.OrgID, want.IsDefault = have.ID, have.OrgID, have.IsDefault || want.IsDefault
		r.Outcome = Updated
		_, r.Err = p.client.UpdateDatasource(ctx, want)
		return r
	}
	_, r.Err = p.client.CreateDatasource(ctx, want)
	if status(r.Err) == http.StatusConflict {
		r.Err = fmt.Errorf("there is another data source of that name: %w", plain(r.Err))
	}
	return r
}

// hasDefault says whether another data source is the default already: it stays.
func hasDefault(there []sdk.Datasource, but string) bool {
	for i := range there {
		if there[i].IsDefault && there[i].UID != but {
			return true
		}
	}
	return false
}

// equalSources compares what can be read. Settings that only Grafana has do not
// count.
func equalSources(have, want *sdk.Datasource) bool {
	if have.Type != want.Type || have.Access != want.Access || strings.TrimSuffix(have.URL, "/") != strings.TrimSuffix(want.URL, "/") ||
		have.Name != want.Name || word(have.User) != word(want.User) || word(have.Database) != word(want.Database) {
		return false
	}
	a, b := settings(have.JSONData), settings(want.JSONData)
	for k, v := range b {
		if fmt.Sprint(a[k]) != fmt.Sprint(v) {
			return false
		}
	}
	return true
}

func word(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// settings reads them as JSON does, so that numbers compare.
func settings(v any) map[string]any {
	text, err := json.Marshal(v)
	all := map[string]any{}
	if err != nil || json.Unmarshal(text, &all) != nil {
		return map[string]any{}
	}
	return all
}
