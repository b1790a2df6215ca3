package apiserver

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clocktesting "k8s.io/utils/clock/testing"
)

func TestDocumentsAreForgottenWhenNobodyAsks(t *testing.T) {
	c := clocktesting.NewFakeClock(time.Now())
	builds := 0
	d := &documents{clock: c, build: func() http.Handler {
		builds++
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	}}
	ask := func() {
		w := httptest.NewRecorder()
		d.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi/v3", nil))
		require.Equal(t, http.StatusTeapot, w.Code)
	}
	ask()
	c.Step(keepDocuments - time.Second)
	ask() // counts from here again
	c.Step(keepDocuments - time.Second)
	require.NotNil(t, d.built)
	ask()
	require.Equal(t, 1, builds)
	c.Step(keepDocuments + time.Second)
	d.mu.Lock()
	require.Nil(t, d.built)
	d.mu.Unlock()
	ask()
	require.Equal(t, 2, builds)
	d.close()
	require.False(t, c.HasWaiters())
}
