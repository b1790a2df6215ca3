package volume

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func files(pairs ...string) map[string]file {
	m := map[string]file{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = file{data: []byte(pairs[i+1]), mode: 0o644}
	}
	return m
}

func nothing() error { return nil }

func TestWritesOnlyWhatChanges(t *testing.T) {
	dir := t.TempDir()
	f := func(want bool, pairs ...string) {
		t.Helper()
		changed, err := writeAtomically(dir, files(pairs...), nothing)
		require.NoError(t, err)
		require.Equal(t, want, changed)
		for i := 0; i < len(pairs); i += 2 {
			require.Equal(t, pairs[i+1], read(t, dir, pairs[i]))
		}
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		stamps := 0
		for _, e := range entries {
			if e.IsDir() {
				stamps++
			}
		}
		require.Equal(t, 1, stamps, "one folder of contents")
	}
	f(true, "a", "1", "d/e/f", "2")
	f(false, "a", "1", "d/e/f", "2")
	f(true, "a", "1", "d/e/g", "2")
	require.NoFileExists(t, filepath.Join(dir, "d/e/f"))
	f(true, "a", "1")
	require.Equal(t, []string{"a"}, visible(t, dir))
	f(true)
	require.Empty(t, visible(t, dir))
}

func TestAKilledWriterIsCleanedUpAfter(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Symlink("..nowhere", filepath.Join(dir, newDataLink)))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "..2020_01_01_00_00_00.1"), 0o755))
	_, err := writeAtomically(dir, files("a", "1"), nothing)
	require.NoError(t, err)
	require.NoDirExists(t, filepath.Join(dir, "..2020_01_01_00_00_00.1"))
	require.Equal(t, "1", read(t, dir, "a"))
}

func TestFailureChangesNothing(t *testing.T) {
	dir := t.TempDir()
	_, err := writeAtomically(dir, files("a", "1"), nothing)
	require.NoError(t, err)
	_, err = writeAtomically(dir, files("a", "2"), func() error { return errors.New("no") })
	require.EqualError(t, err, "no")
	require.Equal(t, "1", read(t, dir, "a"))
}

func TestPathsThatAreRefused(t *testing.T) {
	for path, want := range map[string]string{
		"": "must not be empty", "/a": "must be relative path", "a/../b": "must not contain '..'", "..a": "must not start with '..'",
		"./..data": "must not start with '..'", ".": "must name a file",
		strings.Repeat("x", 256): "filenames must be less than or equal to 255", strings.Repeat("x/", 2100): "less than or equal to 4096",
	} {
		require.ErrorContains(t, checkPath(path), want)
	}
	require.NoError(t, checkPath("a..b/..c"))
}

func FuzzCheckPath(f *testing.F) {
	for _, s := range []string{"a", "a/b", "../a", "./..data", "a//../b", "..", "a/.."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if checkPath(p) != nil || strings.Contains(p, "\x00") {
			return
		}
		require.True(t, filepath.IsLocal(p), p)
		require.False(t, strings.HasPrefix(filepath.Clean(p), ".."), p)
	})
}
