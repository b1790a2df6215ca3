package dirlock

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOneAtATime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	l, err := Take(dir)
	require.NoError(t, err)
	_, err = Take(dir)
	require.ErrorIs(t, err, ErrInUse)
	require.EqualError(t, err, fmt.Sprintf("data directory %s: in use by another process (process %d)", dir, os.Getpid()))
	require.NoError(t, l.Close())

	l, err = Take(dir)
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

func TestOwnerThatLeftNoName(t *testing.T) {
	dir := t.TempDir()
	l, err := Take(dir)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, fileName), nil, 0o600))
	_, err = Take(dir)
	require.EqualError(t, err, "data directory "+dir+": in use by another process")
	require.NoError(t, l.Close())
}

func TestDirectoryThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := Take(file)
	require.ErrorContains(t, err, "data directory: mkdir "+file)
}
