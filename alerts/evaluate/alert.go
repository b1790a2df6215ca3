package evaluate

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/rules"
)

// Alert is one that fires, or did until a moment ago.
type Alert struct {
	Labels, Annotations map[string]string
	// StartsAt is when it fired. EndsAt is when it was resolved or, in the future,
	// when it counts as resolved if nobody says that it still fires.
	StartsAt, EndsAt time.Time
	// GeneratorURL shows what the rule's expression returns.
	GeneratorURL string
}

// dashboardURL is the annotation that links to the view of the alert's object.
const dashboardURL = "dashboard_url"

// around is how much is shown before and after the moment.
const around = 30 * time.Minute

func send(to func([]Alert), externalURL string) rules.NotifyFunc {
	return func(_ context.Context, expr string, alerts ...*rules.Alert) {
		if len(alerts) == 0 {
			return
		}
		link := externalURL + "/api/v1/query?query=" + url.QueryEscape(expr)
		all := make([]Alert, len(alerts))
		for i, a := range alerts {
			all[i] = convert(a, link)
		}
		to(all)
	}
}

func convert(a *rules.Alert, link string) Alert {
	out := Alert{Labels: a.Labels.Map(), Annotations: a.Annotations.Map(), StartsAt: a.FiredAt, EndsAt: a.ValidUntil, GeneratorURL: link}
	if !a.ResolvedAt.IsZero() {
		out.EndsAt = a.ResolvedAt
	}
	if view := out.Annotations[dashboardURL]; view != "" {
		out.Annotations[dashboardURL] = At(view, a.ActiveAt, a.FiredAt)
	}
	return out
}

// At makes the address of a Grafana dashboard show the time around the moments at
// which a condition began and the alert fired.
func At(view string, began, fired time.Time) string {
	u, err := url.Parse(view)
	if err != nil || u.Query().Has("from") {
		return view
	}
	separator := "?"
	if strings.Contains(view, "?") {
		separator = "&"
	}
	return view + separator + "from=" + millis(began.Add(-around)) + "&to=" + millis(fired.Add(around))
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
