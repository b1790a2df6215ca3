package push

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/dashboards/model"
	"github.com/lubberline/lubberline/dashboards/provision"
	"github.com/lubberline/lubberline/test/grafana"
)

const token = "glsa_test"

func start(t *testing.T) (*grafana.Server, Options) {
	s := grafana.New(token)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, Options{URL: server.URL, Credentials: token, Sources: provision.Options{Aggregator: "http://127.0.0.1:8082", Influx2: "http://127.0.0.1:8086"}}
}

func push(t *testing.T, o Options) (map[Outcome][]string, []Result, error) {
	t.Helper()
	by := map[Outcome][]string{}
	var all []Result
	err := Push(t.Context(), o, func(r Result) { all = append(all, r); by[r.Outcome] = append(by[r.Outcome], r.Name) })
	return by, all, err
}

func TestASecondPushChangesNothing(t *testing.T) {
	s, o := start(t)
	by, all, err := push(t, o)
	require.NoError(t, err)
	require.Len(t, by[Created], len(all))
	pages, err := provision.Pages(model.PromQL, model.Flux)
	require.NoError(t, err)
	require.Len(t, s.UIDs(), len(pages))
	require.Len(t, s.Sources(), 3)
	require.Equal(t, "lubberline", s.Dashboard("lubberline-pod").FolderUID)
	require.Equal(t, "lubberline-flux", s.Dashboard("lubberline-flux-pod").FolderUID)
	require.Equal(t, "lubberline dashboards push", s.Dashboard("lubberline-pod").Versions[0].Message)

	writes := s.Writes()
	by, all, err = push(t, o)
	require.NoError(t, err)
	require.Len(t, by[Unchanged], len(all))
	require.Equal(t, writes, s.Writes())
	for _, uid := range s.UIDs() {
		require.Len(t, s.Dashboard(uid).Versions, 1)
	}
}

func TestWhatAPersonChangedIsKept(t *testing.T) {
	s, o := start(t)
	_, _, err := push(t, o)
	require.NoError(t, err)
	s.Edit("lubberline-cluster", "anna", func(d grafana.Object) { d["refresh"] = "5m" })

	by, all, err := push(t, o)
	require.ErrorIs(t, err, ErrIncomplete)
	require.Equal(t, []string{"Cluster"}, by[Kept])
	for _, r := range all {
		if r.Outcome == Kept {
			require.Equal(t, "changed by anna (version 2); --force overwrites it", r.Note)
		}
	}
	require.Equal(t, "5m", s.Dashboard("lubberline-cluster").Data["refresh"])

	o.Force = true
	by, _, err = push(t, o)
	require.NoError(t, err)
	require.Equal(t, []string{"Cluster"}, by[Updated])
	require.Equal(t, "30s", s.Dashboard("lubberline-cluster").Data["refresh"])
	require.Len(t, s.Dashboard("lubberline-cluster").Versions, 3)
}

// TestAnOlderPushIsReplaced: what we pushed ourselves and is generated
// otherwise now is updated, in the folder that it was moved to.
func TestAnOlderPushIsReplaced(t *testing.T) {
	s, o := start(t)
	_, _, err := push(t, o)
	require.NoError(t, err)
	page, err := provision.Pages(model.PromQL)
	require.NoError(t, err)
	same, ours, err := compare(page[0].JSON, page[1].JSON)
	require.NoError(t, err)
	require.False(t, same)
	require.True(t, ours)

	// As if the older program had made pod's page of what is node's.
	p := &pusher{options: o, client: mustClient(t, o)}
	older := provision.Page{Title: "Cluster", UID: page[0].UID, JSON: renamed(t, page[1].JSON, page[0].UID)}
	there, err := p.stored(t.Context(), page[0].UID)
	require.NoError(t, err)
	require.NoError(t, p.save(t.Context(), &older, "lubberline", there))

	by, _, err := push(t, o)
	require.NoError(t, err)
	require.Equal(t, []string{"Cluster"}, by[Updated])
	require.Len(t, s.Dashboard("lubberline-cluster").Versions, 3)
}

// TestAChangeMeanwhile: somebody saves between our reading and our saving.
func TestAChangeMeanwhile(t *testing.T) {
	s, o := start(t)
	_, _, err := push(t, o)
	require.NoError(t, err)
	pages, err := provision.Pages(model.PromQL)
	require.NoError(t, err)
	p := &pusher{options: o, client: mustClient(t, o)}
	there, err := p.stored(t.Context(), "lubberline-cluster")
	require.NoError(t, err)
	s.Edit("lubberline-cluster", "anna", func(d grafana.Object) { d["refresh"] = "5m" })
	require.Equal(t, http.StatusPreconditionFailed, status(p.save(t.Context(), &pages[0], "lubberline", there)))
	require.Equal(t, "5m", s.Dashboard("lubberline-cluster").Data["refresh"])
}

func TestOneRefusedDashboardDoesNotStopTheOthers(t *testing.T) {
	s, o := start(t)
	s.Refuse("lubberline-node", "Invalid dashboard: panel 3")
	by, all, err := push(t, o)
	require.ErrorIs(t, err, ErrIncomplete)
	require.Equal(t, []string{"Node"}, by[Failed])
	for _, r := range all {
		if r.Outcome == Failed {
			require.EqualError(t, r.Err, "Grafana answered 400: Invalid dashboard: panel 3")
		}
	}
	require.Contains(t, s.UIDs(), "lubberline-pod")
}

func TestNoGrafana(t *testing.T) {
	_, o := start(t)
	o.Credentials = "wrong"
	_, all, err := push(t, o)
	require.ErrorContains(t, err, "Grafana does not accept the credentials: Invalid API key")
	require.NotContains(t, err.Error(), "wrong")
	require.Empty(t, all)

	o.URL = "http://127.0.0.1:1"
	_, _, err = push(t, o)
	require.ErrorContains(t, err, "dashboards push to http://127.0.0.1:1")
	require.ErrorContains(t, err, "refused")
	o.URL = "grafana:3000"
	_, _, err = push(t, o)
	require.EqualError(t, err, `address of Grafana "grafana:3000" is not http://host:port`)

	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write([]byte("<html>\nno upstream</html>"))
	}))
	defer proxy.Close()
	o.URL = proxy.URL
	_, _, err = push(t, o)
	require.ErrorContains(t, err, "Grafana answered 502: <html>")
}

func TestSourcesAreBroughtUpToDate(t *testing.T) {
	s, o := start(t)
	_, _, err := push(t, o)
	require.NoError(t, err)
	o.Sources.Aggregator = "http://127.0.0.1:9999"
	by, _, err := push(t, o)
	require.NoError(t, err)
	require.Equal(t, []string{"Lubberline", "Lubberline logs"}, by[Updated])
	require.Equal(t, "http://127.0.0.1:9999/elastic", s.Sources()[1]["url"])
}
