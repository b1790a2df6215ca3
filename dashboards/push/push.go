package push

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/grafana-tools/sdk"

	"github.com/lubberline/lubberline/dashboards/grafana"
	"github.com/lubberline/lubberline/dashboards/model"
	"github.com/lubberline/lubberline/dashboards/provision"
)

// Options say where Grafana is and what it gets.
type Options struct {
	// URL is http://host:port, with a path where Grafana is served below one.
	URL string
	// Credentials are a service account's token, or USER:PASSWORD.
	Credentials string
	// Force overwrites what a person changed.
	Force bool
	// Sources are the stores; their addresses must be as Grafana sees them and
	// hold no variables.
	Sources provision.Options
	// OnlyDashboards leaves data sources alone.
	OnlyDashboards bool
	// Transport may be nil.
	Transport http.RoundTripper
}

// Outcome is what became of one thing.
type Outcome string

// The outcomes.
const (
	Created   Outcome = "created"
	Updated   Outcome = "updated"
	Unchanged Outcome = "unchanged"
	Kept      Outcome = "kept"
	Failed    Outcome = "failed"
)

// Result is one thing and what became of it. Note says who changed what was
// kept; Err is set where the outcome is Failed.
type Result struct {
	Kind, Name string
	Outcome    Outcome
	Note       string
	Err        error
}

// ErrIncomplete says that something was kept or failed; the results tell what.
var ErrIncomplete = errors.New("dashboards push: not everything is in Grafana as generated")

type pusher struct {
	options Options
	client  *sdk.Client
	report  func(Result)
	bad     bool
}

// Push brings everything into Grafana and reports each thing as it is done. One
// that fails does not stop the others. The error is Grafana's when it is not
// there or does not take the credentials, else ErrIncomplete or nil.
func Push(ctx context.Context, o Options, report func(Result)) error {
	client, err := newClient(o.URL, o.Credentials, o.Transport)
	if err != nil {
		return err
	}
	p := &pusher{options: o, client: client, report: report}
	if _, err := client.GetActualOrg(ctx); err != nil {
		return fmt.Errorf("dashboards push to %s: %w", o.URL, plain(err))
	}
	if !o.OnlyDashboards {
		if err := p.sources(ctx); err != nil {
			return err
		}
	}
	for _, l := range o.Sources.Languages() {
		p.language(ctx, l)
	}
	if p.bad {
		return ErrIncomplete
	}
	return ctx.Err()
}

func (p *pusher) done(r Result) {
	if r.Err != nil {
		r.Outcome, r.Err = Failed, plain(r.Err)
	}
	p.bad = p.bad || r.Outcome == Failed || r.Outcome == Kept
	p.report(r)
}

// plain takes the request's address from around Grafana's own words.
func plain(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return err
}

func (p *pusher) language(ctx context.Context, l model.Language) {
	f := provision.FolderOf(l)
	outcome, err := p.folder(ctx, f)
	p.done(Result{Kind: "folder", Name: f.Title, Outcome: outcome, Err: err})
	if err != nil {
		return
	}
	pages, err := provision.Pages(l)
	if err != nil {
		p.done(Result{Kind: "dashboards", Name: string(l), Err: err})
		return
	}
	for i := range pages {
		if ctx.Err() != nil {
			return
		}
		p.done(p.page(ctx, f, &pages[i]))
	}
}

func (p *pusher) folder(ctx context.Context, f provision.Folder) (Outcome, error) {
	_, err := p.client.GetFolderByUID(ctx, f.UID)
	switch {
	case err == nil:
		return Unchanged, nil
	case status(err) != http.StatusNotFound:
		return Failed, err
	}
	_, err = p.client.CreateFolder(ctx, sdk.Folder{UID: f.UID, Title: f.Title})
	return Created, err
}

// stored is a dashboard as Grafana has it.
type stored struct {
	text    []byte
	id      uint
	version int
	by      string
	folder  string
}

func (p *pusher) stored(ctx context.Context, uid string) (*stored, error) {
	text, about, err := p.client.GetRawDashboardByUID(ctx, uid)
	if status(err) == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ids struct {
		ID      uint `json:"id"`
		Version int  `json:"version"`
	}
	if err := json.Unmarshal(text, &ids); err != nil {
		return nil, err
	}
	return &stored{text: text, id: ids.ID, version: ids.Version, by: about.UpdatedBy, folder: folderOf(about.FolderURL)}, nil
}

// page pushes one dashboard.
func (p *pusher) page(ctx context.Context, f provision.Folder, page *provision.Page) Result {
	r := Result{Kind: "dashboard", Name: page.Title, Outcome: Created}
	there, err := p.stored(ctx, page.UID)
	if err != nil {
		r.Err = err
		return r
	}
	if there == nil {
		r.Err = p.save(ctx, page, f.UID, nil)
		return r
	}
	same, ours, err := compare(there.text, page.JSON)
	switch {
	case err != nil:
		r.Err = err
		return r
	case same:
		r.Outcome = Unchanged
		return r
	case !ours && !p.options.Force:
		r.Outcome, r.Note = Kept, p.changed(ctx, there)
		return r
	}
	r.Outcome = Updated
	if there.folder == "" {
		there.folder = f.UID
	}
	if r.Err = p.save(ctx, page, there.folder, there); status(r.Err) == http.StatusPreconditionFailed {
		r.Outcome, r.Note, r.Err = Kept, "changed by somebody while it was pushed", nil
	}
	return r
}

// compare says whether Grafana's dashboard says the same as the generated one,
// and whether it is as we pushed it the last time: its revision is the sum over
// what it says.
func compare(there, generated []byte) (same, ours bool, err error) {
	a, err := grafana.Canonical(there)
	if err != nil {
		return false, false, err
	}
	b, err := grafana.Canonical(generated)
	if err != nil {
		return false, false, err
	}
	var claimed struct {
		Revision int64 `json:"revision"`
	}
	if err := json.Unmarshal(there, &claimed); err != nil {
		return false, false, err
	}
	sum, err := grafana.RevisionOf(there)
	return bytes.Equal(a, b), err == nil && claimed.Revision == sum, err
}

// save stores the dashboard. Over another version than the one that was read,
// Grafana refuses it, unless it is forced.
func (p *pusher) save(ctx context.Context, page *provision.Page, folder string, over *stored) error {
	text := page.JSON
	if over != nil {
		var all map[string]any
		if err := json.Unmarshal(text, &all); err != nil {
			return err
		}
		all["id"], all["version"] = over.id, over.version
		var err error
		if text, err = json.Marshal(all); err != nil {
			return err
		}
	}
	ctx = with(ctx, saving{FolderUID: folder, Message: "lubberline dashboards push"})
	_, err := p.client.SetRawDashboardWithParam(ctx, sdk.RawBoardRequest{
		Dashboard: text, Parameters: sdk.SetDashboardParams{Overwrite: p.options.Force, PreserveId: over != nil},
	})
	return err
}

// changed tells who changed a dashboard, and in which version.
func (p *pusher) changed(ctx context.Context, s *stored) string {
	by, version := s.by, s.version
	if versions, err := p.client.GetDashboardVersionsByDashboardID(ctx, s.id); err == nil {
		for _, v := range versions {
			if int(v.Version) == version && v.CreatedBy != "" {
				by = v.CreatedBy
			}
		}
	}
	if by == "" {
		by = "somebody"
	}
	return fmt.Sprintf("changed by %s (version %d); --force overwrites it", by, version)
}
