package logstore

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lubberline/lubberline/logrecord"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("LOGSTORE_TEST_WRITER"); dir != "" {
		writeUntilKilled(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// noon is the moment at which the tests' clock stands.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func openStore(t *testing.T, o Options) *Store {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Now == nil {
		o.Now = at(noon)
	}
	s, err := Open(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

var web = &logrecord.Source{Namespace: "shop", Pod: "web-1", PodUID: "u1", Container: "nginx", ContainerID: "c1",
	Image: "nginx:1", Host: "node-a", Labels: map[string]string{"app": "web", "tier": "front"}}

// batch makes n records of web that start at t, a millisecond apart.
func batch(id string, t time.Time, n int) logrecord.Batch {
	b := logrecord.Batch{ChunkID: id}
	for i := range n {
		b.Records = append(b.Records, logrecord.Record{Time: t.Add(time.Duration(i) * time.Millisecond).UnixNano(),
			Tag: "kubernetes.shop.web-1.nginx", Stream: "stdout", Source: web, Log: fmt.Sprintf("%s line %d", id, i)})
	}
	return b
}

func line(t time.Time, source *logrecord.Source, stream, text string) logrecord.Batch {
	return logrecord.Batch{Records: []logrecord.Record{{Time: t.UnixNano(), Stream: stream, Source: source, Log: text}}}
}

func messages(entries []Entry) []string {
	list := make([]string, len(entries))
	for i, e := range entries {
		list[i] = e.Message
	}
	return list
}

func count(t *testing.T, s *Store) int {
	t.Helper()
	n, err := s.Count(t.Context(), Query{})
	require.NoError(t, err)
	return int(n)
}
