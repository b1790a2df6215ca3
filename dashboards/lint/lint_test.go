package lint

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const good = `{"uid":"a","title":"A","templating":{"list":[{"name":"ds","type":"datasource"},{"name":"pod","type":"query"}]},
 "links":[{"url":"/d/b?x=1"}],
 "panels":[{"id":1,"title":"one","type":"stat","gridPos":{"x":0,"y":0,"w":12,"h":4},"fieldConfig":{"defaults":{"unit":"bytes"},"overrides":[]},
  "targets":[{"refId":"A","datasource":{"uid":"${ds}"},"expr":"x{pod=~\"$pod\"}[$__interval]"}]}]}`

const bad = `{"uid":"b","title":"B","templating":{"list":[]},"links":[{"url":"/d/nowhere"}],
 "panels":[
  {"id":1,"title":"one","type":"stat","gridPos":{"x":0,"y":0,"w":12,"h":4},"fieldConfig":{"defaults":{"unit":"furlongs"}},"targets":[{"refId":"A","datasource":{"uid":"fixed"},"expr":"$gone"}]},
  {"id":1,"title":"two","type":"gauge","gridPos":{"x":11,"y":3,"w":12,"h":4}},
  {"id":3,"title":"three","type":"row","gridPos":{"x":20,"y":9,"w":12,"h":4}}]}`

func TestCheck(t *testing.T) {
	var found []string
	for _, p := range Check([]File{{"a.json", []byte(good)}, {"b.json", []byte(bad)}, {"c.json", []byte(good)}, {"d.json", []byte("[")}}) {
		found = append(found, p.String())
	}
	require.ElementsMatch(t, []string{
		`c.json: UID "a" is that of a.json, too`,
		`c.json: title "A" is that of a.json, too`,
		`d.json: is not a dashboard: unexpected end of JSON input`,
		`b.json: panel 1 "two": its id is missing or another panel's, too`,
		`b.json: panel 1 "two": lies on panel 1 "one"`,
		`b.json: panel 3 "three": does not lie in the grid of 24 columns: {x:20 y:9 w:12 h:4}`,
		`b.json: panel 1 "one": Grafana has no unit "furlongs"`,
		`b.json: panel 1 "one": query A asks the data source "fixed", which is no variable`,
		`b.json: panel 1 "two": has no unit`,
		`b.json: uses the variable "gone", which it does not define`,
		`b.json: links to a dashboard "nowhere", which does not exist`,
	}, found)
}
