package join

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

const (
	// maxSkew is how far the clocks of two machines may be apart: new
	// certificates are good from 5 minutes before they were made.
	maxSkew = 4 * time.Minute
	// skewAgain is how often it is said again that they are further apart.
	skewAgain = 10 * time.Minute
)

// checkClock: certificates are good for a time that both sides must agree on.
func checkClock(date string, now time.Time) error {
	theirs, err := http.ParseTime(date)
	if err != nil {
		return nil //nolint:nilerr // not every server says what time it is
	}
	if ahead := now.Sub(theirs); ahead.Abs() > maxSkew {
		direction := "ahead of"
		if ahead < 0 {
			direction = "behind"
		}
		return fmt.Errorf("this machine's clock is %s %s the control host's: set the clocks first", ahead.Abs().Round(time.Second), direction)
	}
	return nil
}

// clockWatch looks at the time in every answer of a control host, and tells when
// the clocks come apart and agree again.
type clockWatch struct {
	clock clock.PassiveClock
	log   *slog.Logger

	mu   sync.Mutex
	said time.Time // when it was last said that they are apart, zero while they agree; guarded by mu
}

// wrap is for rest.Config's Wrap.
func (w *clockWatch) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		answer, err := next.RoundTrip(r)
		if err == nil {
			w.look(answer.Header.Get("Date"))
		}
		return answer, err
	})
}

func (w *clockWatch) look(date string) {
	now := w.clock.Now()
	apart := checkClock(date, now)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case apart == nil && !w.said.IsZero():
		w.said = time.Time{}
		w.log.Info("this machine's clock and the control host's agree again")
	case apart != nil && (w.said.IsZero() || now.Sub(w.said).Abs() >= skewAgain):
		w.said = now
		w.log.Error("certificates, samples and events of this machine have a wrong time", "error", apart)
	}
}

// roundTripper is a function that is an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
