package metricstore

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
)

type labelSet = labels.Labels

// quarantineDir holds what could not be read, for a person to look at. Nothing
// deletes it.
const quarantineDir = "quarantine"

// quarantine moves damaged parts of a store aside.
type quarantine struct {
	dir     string
	log     *slog.Logger
	metrics *metrics
}

// blocks tries every block and moves those that do not open.
func (q quarantine) blocks() error {
	entries, err := os.ReadDir(q.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, err := ulid.ParseStrict(e.Name()); err != nil || !e.IsDir() {
			continue
		}
		if err := q.check(e.Name()); err != nil {
			return err
		}
	}
	return nil
}

func (q quarantine) check(name string) error {
	path := filepath.Join(q.dir, name)
	block, err := tsdb.OpenBlock(q.log, path, nil, nil)
	if err == nil {
		return block.Close()
	}
	if os.IsPermission(err) {
		return err // not damage: moving it away would hide the data
	}
	q.log.Error("block cannot be read and is set aside", "block", path, "err", err)
	q.metrics.quarantined.Inc()
	return q.move(name)
}

// head moves the write-ahead logs and the newest chunks aside.
func (q quarantine) head() error {
	q.metrics.quarantined.Inc()
	for _, name := range []string{"wal", "wbl", "chunks_head"} {
		if _, err := os.Stat(filepath.Join(q.dir, name)); os.IsNotExist(err) {
			continue
		}
		if err := q.move(name); err != nil {
			return err
		}
	}
	return nil
}

func (q quarantine) move(name string) error {
	to := filepath.Join(q.dir, quarantineDir)
	if err := os.MkdirAll(to, 0o750); err != nil {
		return err
	}
	target := filepath.Join(to, name+"-"+strconv.FormatInt(time.Now().UnixNano(), 10))
	if err := os.Rename(filepath.Join(q.dir, name), target); err != nil {
		return fmt.Errorf("move %s to %s: %w", name, target, err)
	}
	return nil
}
