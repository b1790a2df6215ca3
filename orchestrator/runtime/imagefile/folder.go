package imagefile

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Folder is a folder of this machine as the files of an image: what is in it is
// in the image's root, with its modes, and root's. Sockets, pipes and devices
// are an error: no archive of files can have them.
func Folder(dir string) ([]File, error) {
	var files []File
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		file, err := read(path, name, entry)
		files = append(files, file)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("image from %s: %w", dir, err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("image from %s: the folder is empty", dir)
	}
	return files, nil
}

func read(path, name string, entry fs.DirEntry) (File, error) {
	info, err := entry.Info()
	if err != nil {
		return File{}, err
	}
	file := File{Name: filepath.ToSlash(name), Mode: int64(info.Mode().Perm())}
	switch {
	case entry.IsDir():
		file.Name += "/"
	case entry.Type() == fs.ModeSymlink:
		file.Link, err = os.Readlink(path)
	case entry.Type().IsRegular():
		file.Data, err = os.ReadFile(path)
	default:
		return file, fmt.Errorf("%s is neither a file nor a folder nor a link", name)
	}
	return file, err
}
