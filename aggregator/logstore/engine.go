package logstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/duckdb/duckdb-go/v2"
)

// maxConnections bounds the statements that run at once.
const maxConnections = 8

// engine is the in-memory DuckDB instance that the day files are attached to.
// DuckDB gives up an instance after some failures ("database has been
// invalidated"): the engine then starts a new one, which changes generation,
// and days attach again, which replays their write-ahead logs.
type engine struct {
	settings []string

	// mu is held for reading by whoever uses db, and for writing by reopen.
	mu         sync.RWMutex
	db         *sql.DB
	generation int

	// ample is held while the memory limit is raised; see withEnoughMemory.
	ample sync.Mutex
}

func newEngine(o Options) (*engine, error) {
	e := &engine{settings: []string{
		memorySetting(o.MemoryLimit),
		"SET threads = " + strconv.Itoa(o.Threads),
		"SET temp_directory = " + quoteText(filepath.Join(o.Dir, "tmp")),
		"SET preserve_insertion_order = false",
		"SET autoinstall_known_extensions = false",
		"SET autoload_known_extensions = false",
		// Checkpoints are made by the store after a commit, where their failure
		// is not taken for a failure of the commit.
		"SET wal_autocheckpoint = '1TiB'",
		"SET allocator_flush_threshold = '16MiB'",
	}}
	if err := e.open(); err != nil {
		return nil, err
	}
	return e, nil
}

// open starts an instance; the caller holds mu or is the only user.
func (e *engine) open() error {
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		return fmt.Errorf("start duckdb: %w", err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(maxConnections)
	db.SetMaxIdleConns(2)
	for _, setting := range e.settings {
		if _, err := db.Exec(setting); err != nil {
			db.Close()
			return fmt.Errorf("configure duckdb with %q: %w", setting, err)
		}
	}
	e.db = db
	e.generation++
	return nil
}

// reopen replaces an instance that has given up. It does nothing when another
// caller already replaced the generation that failed.
func (e *engine) reopen(failed int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.generation != failed {
		return nil
	}
	e.db.Close() // its error says again what is already known
	return e.open()
}

func (e *engine) close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.db.Close()
}

// transaction runs f with a connection inside a transaction, which is
// committed when f succeeds and rolled back otherwise. Cancelling ctx stops f
// but never a commit that has begun.
func (e *engine) transaction(ctx context.Context, f func(driver.Conn) error) error {
	conn, err := e.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "BEGIN TRANSACTION"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	err = conn.Raw(func(raw any) error { return f(raw.(driver.Conn)) })
	if err != nil {
		conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") //nolint:errcheck // the first error is the one to tell
		return err
	}
	if _, err := conn.ExecContext(context.WithoutCancel(ctx), "COMMIT"); err != nil {
		conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") //nolint:errcheck // fails when the commit already ended it
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// quoteText writes s as an SQL string, for the statements that take no
// parameters.
func quoteText(s string) string {
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// isFatal reports that the instance has given up.
func isFatal(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "database has been invalidated") ||
		strings.Contains(err.Error(), "FATAL Error") || strings.Contains(err.Error(), "INTERNAL Error"))
}

// isFull reports that the disk is full.
func isFull(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "No space left on device") ||
		strings.Contains(err.Error(), "Disk quota exceeded"))
}

// isPassing reports an error of attaching a file, or none, that says nothing
// about the state of the file.
func isPassing(err error) bool {
	if err == nil || isFull(err) {
		return true
	}
	for _, text := range []string{"Permission denied", "Out of Memory", "Too many open files",
		"Cannot allocate", "Interrupt", "context canceled", "deadline exceeded", "Could not set lock",
		"has been invalidated", "is closed"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}
