package logstore

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// fileIsBroken reports an error that comes from the bytes of a file.
func fileIsBroken(err error) bool {
	for _, text := range []string{"checksum", "Corrupt", "corrupt", "not a valid DuckDB", "Serialization Error",
		"WAL file", "replaying WAL", "Could not read"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

// quarantine renames the files of a day aside, so that a new file can take
// their place and a person can look at them. The caller holds d.mu.
func (s *Store) quarantine(d *day, cause error) error {
	if d.generation == s.engine.generation {
		s.engine.db.Exec("DETACH " + d.number.catalog()) //nolint:errcheck // the file is given up anyway
	}
	d.generation, d.state = 0, nil
	suffix := ".corrupt-" + s.opts.Now().UTC().Format("20060102T150405.000000000")
	for _, path := range []string{d.path, d.path + ".wal"} {
		if err := os.Rename(path, path+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("set a broken day file aside: %w", err)
		}
	}
	s.metrics.quarantined.Inc()
	s.log.Error("a day file of the log store could not be read and was set aside",
		"file", d.path, "renamed", d.path+suffix, "error", cause)
	return nil
}
