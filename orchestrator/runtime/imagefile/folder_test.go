package imagefile

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "srv/pages"), 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "srv/web"), []byte("program"), 0o755))
	require.NoError(t, os.Symlink("srv/web", filepath.Join(dir, "web")))
	files, err := Folder(dir)
	require.NoError(t, err)
	require.Equal(t, []File{
		{Name: "srv/", Mode: 0o750},
		{Name: "srv/pages/", Mode: 0o750},
		{Name: "srv/web", Mode: 0o755, Data: []byte("program")},
		{Name: "web", Mode: 0o777, Link: "srv/web"},
	}, files)

	packed, err := layer(files)
	require.NoError(t, err)
	reader, names := tar.NewReader(bytes.NewReader(packed)), []string{}
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		names = append(names, header.Name)
	}
	require.Equal(t, []string{"srv/", "srv/pages/", "srv/web", "web"}, names)
}

func TestFolderRefusesWhatIsNoImage(t *testing.T) {
	_, err := Folder(filepath.Join(t.TempDir(), "nothing"))
	require.ErrorIs(t, err, os.ErrNotExist)
	dir := t.TempDir()
	_, err = Folder(dir)
	require.EqualError(t, err, "image from "+dir+": the folder is empty")
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	require.NoError(t, err)
	defer l.Close()
	_, err = Folder(dir)
	require.EqualError(t, err, "image from "+dir+": s is neither a file nor a folder nor a link")
}
