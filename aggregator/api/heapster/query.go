package heapster

import (
	"strings"
	"time"

	"github.com/lubberline/lubberline/catalog"
)

// aliases are old names that are still accepted in the place of a metric.
func aliased(metric string) string {
	switch metric {
	case "cpu-usage":
		return "cpu/usage_rate"
	case "cpu-limit":
		return "cpu/limit"
	case "memory-limit":
		return "memory/limit"
	case "memory-usage":
		return "memory/usage"
	case "memory-working":
		return "memory/working_set"
	}
	return metric
}

// figure reads the metric and the labels that its points must have.
func (r *request) figure() (Figure, error) {
	f := Figure{Metric: aliased(r.vars["metric"])}
	if _, ok := catalog.LookupHeapster(f.Metric); !ok {
		return f, notFound("metric %q is not known", f.Metric)
	}
	given := r.Query("labels")
	if given == "" {
		return f, nil
	}
	f.Labels = map[string]string{}
	for pair := range strings.SplitSeq(given, ",") {
		key, value, ok := strings.Cut(pair, ":")
		if !ok || key == "" {
			return f, badRequest("invalid label pair %q", pair)
		}
		f.Labels[key] = value
	}
	return f, nil
}

// moment reads a time parameter; missing gives otherwise.
func (r *request) moment(name string, otherwise time.Time) (time.Time, error) {
	given := r.Query(name)
	if given == "" {
		return otherwise, nil
	}
	at, err := time.Parse(time.RFC3339, given)
	if err != nil {
		return at, badRequest("timestamp argument cannot be parsed: %s: %v", name, err)
	}
	return at, nil
}

// modelRange is the range of the model API: both ends optional and inclusive.
func (r *request) modelRange(now time.Time) (start, end time.Time, err error) {
	if start, err = r.moment("start", time.Unix(0, 0)); err == nil {
		end, err = r.moment("end", now)
	}
	return start, end, err
}

// historicalRange is the range of the historical API: the start is needed, ends
// are exclusive and cut to whole seconds.
func (r *request) historicalRange(now time.Time) (start, end time.Time, err error) {
	if start, err = r.moment("start", time.Time{}); err == nil && start.IsZero() {
		err = badRequest("no start time (or a start time of zero) provided")
	}
	if err == nil {
		end, err = r.moment("end", now)
	}
	return start.Truncate(time.Second), end.Truncate(time.Second), err
}

// object is the object that the path names.
func (r *request) object(kind catalog.ObjectKind) Object {
	return Object{
		Kind: kind, Node: r.vars["node"], Namespace: r.vars["namespace"], Pod: r.vars["pod"],
		PodID: r.vars["pod-id"], Container: r.vars["container"],
	}
}
