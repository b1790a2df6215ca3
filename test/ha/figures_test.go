package ha

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/lab"
)

// figures: one control host has what all machines tell, and it alone looks at
// it; another takes its place when it vanishes.
func (c *cluster) figures(t *testing.T) {
	first, second := c.Hosts[0], c.Hosts[1]
	gathers(t, first, "n1", "n2", "n3")
	require.NoError(t, lab.Until(func() error { // at its first start it knows of no other for a moment
		if all := firing(t, second); len(all) > 0 {
			return fmt.Errorf("the second has no figures to judge, and tells of %q", all)
		}
		return nil
	}))
	require.NoError(t, lab.Until(func() error {
		out, err := on(second, "top", "nodes", "--no-headers")
		if err == nil && strings.Count(out, "\n") != 3 {
			err = fmt.Errorf("kubectl top nodes by the second prints %q", out)
		}
		return err
	}))
	first.Kill()
	gathers(t, second, "n2", "n3")
	require.NoError(t, first.Start("up"))
	require.NoError(t, first.Ready())
	gathers(t, first, "n1", "n2", "n3")
	c.servers(second, first, second)
}

// gathers waits until the samples of those nodes, and no others, come to the
// host's aggregator, and until it looks at them.
func gathers(t *testing.T, h *lab.Host, nodes ...string) {
	t.Helper()
	require.NoError(t, lab.Until(func() error {
		var answer struct {
			Data struct {
				Result []struct{ Metric map[string]string }
			}
		}
		if err := answers(h, "/api/v1/query?query="+url.QueryEscape(`count by (node) (count_over_time(up{job="collector"}[10s]))`), &answer); err != nil {
			return err
		}
		var found []string
		for _, one := range answer.Data.Result {
			found = append(found, one.Metric["node"])
		}
		if slices.Sort(found); !slices.Equal(found, nodes) {
			return fmt.Errorf("%s has samples of %q, not of %q", h.Name, found, nodes)
		}
		return nil
	}))
	require.NoError(t, lab.Until(func() error {
		if !slices.Contains(firing(t, h), "DeadMansSwitch") {
			return fmt.Errorf("%s looks at nothing", h.Name)
		}
		return nil
	}))
}

// firing are the alerts that fire on the host.
func firing(t *testing.T, h *lab.Host) (names []string) {
	t.Helper()
	var answer struct {
		Data struct {
			Alerts []struct {
				State  string
				Labels map[string]string
			}
		}
	}
	require.NoError(t, answers(h, "/api/v1/alerts", &answer))
	for _, a := range answer.Data.Alerts {
		if a.State == "firing" {
			names = append(names, a.Labels["alertname"])
		}
	}
	return names
}

func answers(h *lab.Host, path string, into any) error {
	text, err := h.Monitoring(path)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), into)
}
