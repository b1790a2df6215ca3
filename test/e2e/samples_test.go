package e2e

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/collector/bench/lab"
	"github.com/lubberline/lubberline/collector/cgroup"
)

// cgroups makes so many cgroups with a sleeping process in each. Their ids
// begin with the prefix that is returned.
func cgroups(t *testing.T, count int) (prefix string) {
	t.Helper()
	system, err := cgroup.New(cgroup.Options{})
	require.NoError(t, err)
	prefix = fmt.Sprintf("/lubberline-e2e-%d-", os.Getpid())
	for i := range count {
		g, err := lab.New(system.Hierarchies(), fmt.Sprintf("%s%03d", prefix, i))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, g.Remove()) })
		_, err = g.Shell("exec sleep 3600")
		require.NoError(t, err)
	}
	return prefix
}

// matrix is the raw samples of some series, by cgroup id: seconds since 1970.
func (a api) matrix(selector string, since time.Time) (map[string][]float64, error) {
	span := int(time.Since(since).Seconds()) + 1
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string `json:"metric"`
				Values [][2]any          `json:"values"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := a.json("/api/v1/query?query="+url.QueryEscape(fmt.Sprintf("%s[%ds]", selector, span)), &answer); err != nil {
		return nil, err
	}
	out := map[string][]float64{}
	for _, series := range answer.Data.Result {
		id := series.Metric["id"]
		if out[id] != nil {
			return nil, fmt.Errorf("two series of %s", id)
		}
		for _, v := range series.Values {
			out[id] = append(out[id], v[0].(float64))
		}
	}
	return out, nil
}

// cpuOf selects the counter by which gaps are looked for.
func cpuOf(prefix string) string {
	return fmt.Sprintf(`container_cpu_usage_seconds_total{id=~"%s.*"}`, prefix)
}

// outage is a time in which no samples can be taken.
type outage struct{ from, to time.Time }

func (o outage) String() string {
	return fmt.Sprintf("%s–%s", o.from.Format("15:04:05.000"), o.to.Format("15:04:05.000"))
}

// merged joins outages with less than an interval of 1 s between them: what was
// sampled there may not have reached the disk.
func merged(outages []outage) (out []outage) {
	for _, o := range outages {
		if n := len(out); n > 0 && o.from.Sub(out[n-1].to) < time.Second {
			out[n-1].to = o.to
			continue
		}
		out = append(out, o)
	}
	return out
}

// gapAllowed says whether samples at from and to (seconds since 1970) may be
// neighbours at an interval of 1 s: the newest sample before an outage may
// still have been in memory, and the first after it is due within an interval.
func gapAllowed(from, to float64, outages []outage) bool {
	if to-from == 1 {
		return true
	}
	for _, o := range outages {
		if from > seconds(o.from)-2 && to <= seconds(o.to)+1 {
			return true
		}
	}
	return false
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }

// expectSamples waits until samples of all containers reach until, and wants one
// of each second since their first, which is not after from, but in outages and
// where the collector says that the machine let it come too late.
func (a api) expectSamples(collector api, prefix string, count int, from, until time.Time, outages []outage) {
	a.t.Helper()
	outages = merged(outages)
	var found map[string][]float64
	a.eventually("samples of all containers", func() (err error) {
		if found, err = a.matrix(cpuOf(prefix), from.Add(-time.Minute)); err != nil {
			return err
		}
		if len(found) != count {
			return fmt.Errorf("%d of %d containers", len(found), count)
		}
		for id, times := range found {
			if last := times[len(times)-1]; last < seconds(until) {
				return fmt.Errorf("%s: the newest sample is at %.3f, wanted %.3f", id, last, seconds(until))
			}
		}
		return nil
	})
	var wrong, gaps []string
	samples, late := 0, map[float64]bool{}
	for id, times := range found {
		samples += len(times)
		if times[0] > seconds(from) && len(wrong) < 20 {
			wrong = append(wrong, fmt.Sprintf("%s begins at %.3f, wanted %.3f", id, times[0], seconds(from)))
		}
		for i := 1; i < len(times); i++ {
			if gapAllowed(times[i-1], times[i], outages) {
				continue
			}
			for at := times[i-1] + 1; at < times[i]; at++ {
				late[at] = true
			}
			if len(gaps) < 20 {
				gaps = append(gaps, fmt.Sprintf("%s: from %s to %s", id, clock(times[i-1]), clock(times[i])))
			}
		}
	}
	if len(late) > 0 && len(late) <= collector.missedTicks() {
		a.t.Logf("the machine was too busy for %d ticks", len(late))
		gaps = nil
	}
	require.Empty(a.t, append(wrong, gaps...), "outages were %v", outages)
	a.t.Logf("%d samples of %d containers, gaps only in %d outages", samples, count, len(outages))
}

// missedTicks is how many points of the grid the collector was woken too late
// for.
func (a api) missedTicks() (n int) {
	_, body, err := a.get("/metrics")
	require.NoError(a.t, err)
	_, rest, found := strings.Cut(string(body), "\nlubberline_sampler_ticks_missed_total ")
	require.True(a.t, found, "the collector does not tell its missed ticks")
	_, err = fmt.Sscan(rest, &n)
	require.NoError(a.t, err)
	return n
}

func clock(s float64) string { return time.UnixMilli(int64(s * 1000)).Format("15:04:05.000") }
