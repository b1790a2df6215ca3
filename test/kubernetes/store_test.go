package kubernetes

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// get decodes what the monitoring's API answers.
func (m *machine) get(path string, into any) error {
	client := http.Client{Timeout: waitLong}
	answer, err := client.Get(m.HTTP + path)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s: %.300s", path, answer.Status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("GET %s: %w in %.300s", path, err, body)
	}
	return nil
}

// entry is a record as the log API gives it.
type entry struct {
	Namespace, Controller, Pod, Container, Image, Node, Stream, Level, Message, Tag string
	Labels                                                                          map[string]string
	Fields                                                                          json.RawMessage
}

// records are all that the log store has for a query, oldest first.
func (m *machine) records(query url.Values) ([]entry, error) {
	query.Set("order", "asc")
	query.Set("limit", "1000")
	query.Set("start", "now-1h")
	var all []entry
	for {
		var page struct {
			Entries []entry
			Next    string
		}
		if err := m.get("/api/v1/logs?"+query.Encode(), &page); err != nil {
			return nil, err
		}
		all = append(all, page.Entries...)
		if page.Next == "" {
			return all, nil
		}
		query.Set("cursor", page.Next)
	}
}

// lines are what the log store has of a container.
func (m *machine) lines(namespace, pod string) ([]string, error) {
	found, err := m.records(url.Values{"namespace": {namespace}, "pod": {pod}, "container": {"main"}, "stream": {"stdout"}})
	lines := make([]string, len(found))
	for i := range found {
		lines[i] = found[i].Message
	}
	return lines, err
}

// samples are the values of a PromQL query, by its labels.
func (m *machine) samples(query string) (map[string]float64, error) {
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := m.get("/api/v1/query?query="+url.QueryEscape(query), &answer); err != nil {
		return nil, err
	}
	found := map[string]float64{}
	for _, r := range answer.Data.Result {
		var labels []string
		for name, value := range r.Metric {
			labels = append(labels, name+"="+value)
		}
		slices.Sort(labels)
		text, _ := r.Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %v", query, r.Value)
		}
		found[strings.Join(labels, ",")] = value
	}
	return found, nil
}

// storedEvents counts the records of each state of each event: a state is the
// event's name with how often it was seen.
func (m *machine) storedEvents(namespace string) (map[string]int, error) {
	found, err := m.records(url.Values{"namespace": {namespace}, "stream": {"event"}})
	if err != nil {
		return nil, err
	}
	states := map[string]int{}
	for _, e := range found {
		var fields struct {
			Event string
			Count int
		}
		if err := json.Unmarshal(e.Fields, &fields); err != nil {
			return nil, fmt.Errorf("event %q: %w", e.Message, err)
		}
		states[fmt.Sprintf("%s %d", fields.Event, fields.Count)]++
	}
	return states, nil
}

// eventsOnce wants each state that the API's events have gone through stored,
// once.
func (k *kube) eventsOnce() error {
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Count    int
		}
	}
	k.object(&list, "events")
	stored, err := k.m.storedEvents(k.ns)
	if err != nil {
		return err
	}
	for _, e := range list.Items {
		for count := 1; count <= max(1, e.Count); count++ {
			state := fmt.Sprintf("%s/%s %d", k.ns, e.Metadata.Name, count)
			if stored[state] != 1 {
				return fmt.Errorf("event %s is stored %d times (of %d states)", state, stored[state], len(stored))
			}
		}
	}
	for state, n := range stored {
		if n != 1 {
			return fmt.Errorf("event %s is stored %d times", state, n)
		}
	}
	return nil
}

// complete wants numbered lines from 0 on, each once and in order, and gives
// their number.
func complete(lines []string, pod string) (int, error) {
	for i, line := range lines {
		if want := fmt.Sprintf("line %d of %s", i, pod); line != want {
			if strings.HasPrefix(line, "end ") && i == len(lines)-1 {
				return i, nil
			}
			return 0, fmt.Errorf("pod %s: %q, not %q, among %q", pod, line, want, lines[max(0, i-3):min(len(lines), i+3)])
		}
	}
	return len(lines), nil
}
