package elasticsearch

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lubberline/lubberline/logrecord"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeServer is a bulk endpoint with create semantics. A request first meets the
// next trouble; a document meets the item function.
type fakeServer struct {
	mu        sync.Mutex
	docs      map[string]string // index/id → source
	order     []string
	templates int
	requests  int
	troubles  []func(w http.ResponseWriter, store func()) bool // true: answered
	item      func(source string) (status int, reason string)  // status 0: store
	maxBody   int
}

func (f *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if strings.HasPrefix(r.URL.Path, "/_index_template/") {
		f.templates++
		fmt.Fprint(w, `{"acknowledged":true}`)
		return
	}
	f.requests++
	if f.maxBody > 0 && r.ContentLength > int64(f.maxBody) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	var lines []string
	for s := bufio.NewScanner(r.Body); s.Scan(); {
		lines = append(lines, s.Text())
	}
	var answer []byte
	store := func() { answer = f.bulk(lines) }
	if len(f.troubles) > 0 {
		trouble := f.troubles[0]
		f.troubles = f.troubles[1:]
		if trouble != nil && trouble(w, store) {
			return
		}
	}
	store()
	_, _ = w.Write(answer)
}

func (f *fakeServer) bulk(lines []string) []byte {
	errs := false
	var items []string
	for i := 0; i+1 < len(lines); i += 2 {
		var action struct {
			Create struct {
				Index string `json:"_index"`
				ID    string `json:"_id"`
			}
		}
		if err := json.Unmarshal([]byte(lines[i]), &action); err != nil {
			panic(err)
		}
		status, reason := f.store(action.Create.Index+"/"+action.Create.ID, lines[i+1])
		if status >= 300 {
			errs = true
			items = append(items, fmt.Sprintf(`{"create":{"status":%d,"error":{"type":%q,"reason":"no"}}}`, status, reason))
		} else {
			items = append(items, `{"create":{"status":201}}`)
		}
	}
	return fmt.Appendf(nil, `{"errors":%v,"items":[%s]}`, errs, strings.Join(items, ","))
}

func (f *fakeServer) store(key, source string) (int, string) {
	if f.item != nil {
		if status, reason := f.item(source); status != 0 {
			return status, reason
		}
	}
	if _, twice := f.docs[key]; twice {
		return http.StatusConflict, "version_conflict_engine_exception"
	}
	f.docs[key] = source
	f.order = append(f.order, key)
	return http.StatusCreated, ""
}

func newFake(t *testing.T) (*fakeServer, Options) {
	t.Helper()
	fake := &fakeServer{docs: map[string]string{}}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	return fake, testOptions(t, server.URL)
}

func testOptions(t *testing.T, url string) Options {
	t.Helper()
	none := 0
	return Options{URLs: []string{url}, Dir: t.TempDir(), MinDelay: 5 * time.Millisecond, MaxDelay: 100 * time.Millisecond, Replicas: &none}
}

type runnable interface {
	Run(context.Context) error
	Pending() uint64
	Close() error
}

func run[S runnable](t *testing.T, s S, err error) S {
	t.Helper()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, s.Close())
	})
	return s
}

func drained(t *testing.T, s runnable, within time.Duration) {
	t.Helper()
	require.Eventually(t, func() bool { return s.Pending() == 0 }, within, 10*time.Millisecond)
}

func deadLetters(t *testing.T, dir string) (letters []map[string]any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "dead-letters.ndjson"))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		var letter map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &letter))
		letters = append(letters, letter)
	}
	return letters
}

var testTime = time.Date(2026, 11, 24, 18, 24, 10, 123456789, time.UTC)

// chunk makes a batch of n records of one container.
func chunk(id string, n int) logrecord.Batch {
	source := &logrecord.Source{
		Namespace: "shop", Pod: "web-1", PodUID: "uid-1", Container: "nginx", ContainerID: "abc", Image: "repo/nginx:1", Host: "a",
		Labels: map[string]string{"app": "web", "app.kubernetes.io/name": "web"},
	}
	b := logrecord.Batch{ChunkID: id}
	for i := range n {
		b.Records = append(b.Records, logrecord.Record{
			Time: testTime.UnixNano() + int64(i), Tag: "kubernetes.shop.web-1.nginx", Stream: "stdout", Source: source,
			Log: fmt.Sprintf("%s line %d", id, i),
		})
	}
	return b
}
