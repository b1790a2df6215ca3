package logstore

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/logrecord"
)

// Day files of before the column controller are read and written on.
func TestAFileWithoutControllers(t *testing.T) {
	dir, at := t.TempDir(), time.Now().UTC().Add(-time.Minute)
	n := dayOf(at.UnixNano())
	db, err := sql.Open("duckdb", filepath.Join(dir, n.fileName()))
	require.NoError(t, err)
	for _, statement := range []string{
		`CREATE TABLE sources (id INTEGER NOT NULL, tag VARCHAR, stream VARCHAR, namespace VARCHAR, pod VARCHAR,
			pod_uid VARCHAR, container VARCHAR, container_id VARCHAR, image VARCHAR, node VARCHAR, labels VARCHAR)`,
		`CREATE TABLE records (time BIGINT NOT NULL, seq BIGINT NOT NULL, source INTEGER NOT NULL, level UTINYINT NOT NULL, message VARCHAR, fields VARCHAR)`,
		`CREATE TABLE chunks (id VARCHAR NOT NULL, n BIGINT NOT NULL)`,
		`CREATE VIEW logs AS SELECT r.message, s.pod FROM records r JOIN sources s ON r.source = s.id`,
		`INSERT INTO sources VALUES (1, 't', 'stdout', 'shop', 'web-1', '', 'web', '', '', 'n1', '')`,
	} {
		_, err := db.Exec(statement)
		require.NoError(t, err)
	}
	_, err = db.Exec(`INSERT INTO records VALUES (?, 0, 1, 0, 'old', NULL)`, at.UnixNano())
	require.NoError(t, err)
	require.NoError(t, db.Close())

	s, err := Open(Options{Dir: dir})
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{{ChunkID: "c", Records: []logrecord.Record{{
		Time: at.UnixNano() + 1, Log: "new", Source: &logrecord.Source{Namespace: "shop", Pod: "web-1", Controller: "Deployment/web"},
	}}}}))
	all, err := s.Query(t.Context(), Query{Ascending: true})
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Empty(t, all[0].Origin.Controller)
	one, err := s.Query(t.Context(), Query{Controllers: []string{"Deployment/web"}})
	require.NoError(t, err)
	require.Len(t, one, 1)
	require.Equal(t, "new", one[0].Message)
	require.Equal(t, "Deployment/web", one[0].Origin.Controller)
}
