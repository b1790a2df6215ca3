package apiserver

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apiserver/pkg/authentication/user"
)

// carry sends one request to a handler through the transport.
func carry(t *testing.T, ctx context.Context, running context.Context, handler http.HandlerFunc, body io.Reader) (*http.Response, error) {
	t.Helper()
	tr := newTransport(running)
	if handler != nil {
		tr.serve(handler)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://in-process/a?b=c", body)
	require.NoError(t, err)
	return as{tr, &user.DefaultInfo{Name: "ann"}}.RoundTrip(r)
}

func TestTransportAnswersWhole(t *testing.T) {
	answer, err := carry(t, t.Context(), t.Context(), func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		who, ok, err := authenticateOwn(r)
		if err != nil || !ok {
			t.Error("own user is not known", err)
		}
		w.Header().Set("X-User", who.User.GetName())
		w.WriteHeader(http.StatusCreated)
		w.Header().Set("X-Late", "too late")
		_, _ = w.Write(append([]byte(r.RequestURI+" "), body...))
	}, strings.NewReader("sent"))
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, answer.StatusCode)
	require.Equal(t, "ann", answer.Header.Get("X-User"))
	require.Empty(t, answer.Header.Get("X-Late"))
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, "/a?b=c sent", string(body))
	require.Equal(t, int64(len(body)), answer.ContentLength)
}

func TestTransportStreamsUntilTheClientCloses(t *testing.T) {
	ended := make(chan struct{})
	answer, err := carry(t, t.Context(), t.Context(), func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		_, _ = w.Write([]byte("first "))
		w.(http.Flusher).Flush()
		_, _ = w.Write([]byte("second"))
		<-r.Context().Done()
	}, nil)
	require.NoError(t, err)
	data := make([]byte, 12)
	_, err = io.ReadFull(answer.Body, data)
	require.NoError(t, err)
	require.Equal(t, "first second", string(data))
	require.NoError(t, answer.Body.Close())
	<-ended
}

func TestTransportEndsWithTheServer(t *testing.T) {
	running, stop := context.WithCancel(t.Context())
	answer, err := carry(t, t.Context(), running, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}, nil)
	require.NoError(t, err)
	stop()
	_, err = io.ReadAll(answer.Body)
	require.NoError(t, err, "the stream ends as one over a network does")

	_, err = carry(t, t.Context(), running, nil, nil)
	require.ErrorIs(t, err, errEnded)
}

func TestTransportWaitsForTheServer(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := carry(t, ctx, t.Context(), nil, nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestTransportSurvivesPanics(t *testing.T) {
	_, err := carry(t, t.Context(), t.Context(), func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil)
	require.ErrorContains(t, err, "request aborted")
	answer, err := carry(t, t.Context(), t.Context(), func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		panic("half-way")
	}, nil)
	require.NoError(t, err)
	_, err = io.ReadAll(answer.Body)
	require.ErrorContains(t, err, "half-way")
}

func TestNobodyIsTheTransportsUserFromOutside(t *testing.T) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://in-process/", nil)
	require.NoError(t, err)
	_, ok, err := authenticateOwn(r)
	require.NoError(t, err)
	require.False(t, ok)
}
