package logstore

import (
	"context"
	"database/sql"
	"fmt"
)

// dayState is what the writer and the readers remember of a day's tables.
type dayState struct {
	sources *sourceTable
	chunks  *chunkSet
	// maxSeq is the highest record number of the day, -1 for none.
	maxSeq int64
}

func loadState(ctx context.Context, db *sql.DB, catalog string, maxChunks int) (*dayState, error) {
	st := &dayState{sources: newSourceTable(), chunks: newChunkSet(maxChunks)}
	if err := loadSources(ctx, db, catalog, st.sources); err != nil {
		return nil, err
	}
	if err := loadChunks(ctx, db, catalog, maxChunks, st.chunks); err != nil {
		return nil, err
	}
	row := db.QueryRowContext(ctx, "SELECT coalesce(max(seq), -1) FROM "+catalog+".records")
	if err := row.Scan(&st.maxSeq); err != nil {
		return nil, fmt.Errorf("read the last record number: %w", err)
	}
	return st, nil
}

func loadSources(ctx context.Context, db *sql.DB, catalog string, t *sourceTable) error {
	rows, err := db.QueryContext(ctx, "SELECT id, "+sourceColumns+" FROM "+catalog+".sources")
	if err != nil {
		return fmt.Errorf("read sources: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int32
		var k sourceKey
		if err := rows.Scan(&id, &k.tag, &k.stream, &k.namespace, &k.pod, &k.podUID, &k.container,
			&k.containerID, &k.image, &k.node, &k.labels, &k.controller); err != nil {
			return fmt.Errorf("read sources: %w", err)
		}
		t.put(id, k)
	}
	return rows.Err()
}

func loadChunks(ctx context.Context, db *sql.DB, catalog string, limit int, set *chunkSet) error {
	rows, err := db.QueryContext(ctx,
		"SELECT id, n FROM (SELECT id, n FROM "+catalog+".chunks ORDER BY n DESC LIMIT ?) ORDER BY n", limit)
	if err != nil {
		return fmt.Errorf("read chunk ids: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var n int64
		if err := rows.Scan(&id, &n); err != nil {
			return fmt.Errorf("read chunk ids: %w", err)
		}
		set.add(id)
		set.next = n + 1
	}
	return rows.Err()
}
