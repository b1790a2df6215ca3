package join

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	testclock "k8s.io/utils/clock/testing"
)

func TestClock(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	require.NoError(t, checkClock(now.Add(time.Minute).Format(http.TimeFormat), now))
	require.ErrorContains(t, checkClock(now.Add(time.Hour).Format(http.TimeFormat), now), "this machine's clock is 1h0m0s behind the control host's")
	require.ErrorContains(t, checkClock(now.Add(-time.Hour).Format(http.TimeFormat), now), "this machine's clock is 1h0m0s ahead of the control host's")
	require.NoError(t, checkClock("", now))
}

// TestClocksThatComeApart: the node tells once, again after a while, and when
// all is well.
func TestClocksThatComeApart(t *testing.T) {
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	ours := testclock.NewFakeClock(start)
	var log strings.Builder
	w := &clockWatch{clock: ours, log: slog.New(slog.NewTextHandler(&log, nil))}
	client := w.wrap(roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{Header: http.Header{"Date": {start.Format(http.TimeFormat)}}}, nil
	}))
	said := func() string {
		log.Reset()
		_, err := client.RoundTrip(&http.Request{})
		require.NoError(t, err)
		return log.String()
	}
	require.Empty(t, said())
	ours.SetTime(start.Add(time.Hour))
	require.Contains(t, said(), "this machine's clock is 1h0m0s ahead of the control host's")
	require.Empty(t, said())
	ours.Step(skewAgain)
	require.Contains(t, said(), "1h10m0s ahead")
	ours.SetTime(start)
	require.Contains(t, said(), "agree again")
	require.Empty(t, said())
}
