// Package imagefile makes container images of one layer from files of this
// machine, without a registry and without a daemon, in the archive format that
// `docker save` writes and every runtime can import
// (https://github.com/moby/docker-image-spec).
package imagefile

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
)

// Image is what an archive is made of.
type Image struct {
	// Name has a tag, as "busybox:latest".
	Name       string
	Entrypoint []string
	Command    []string
	Env        []string
	Files      []File
}

// File is one entry of the layer: a directory when the name ends with a slash,
// a symbolic link when Link is set, and a regular file otherwise.
type File struct {
	Name string
	Mode int64
	Link string
	Data []byte
}

// Write writes the archive.
func (i Image) Write(w io.Writer) error {
	layer, err := layer(i.Files)
	if err != nil {
		return fmt.Errorf("image %s: %w", i.Name, err)
	}
	config, err := json.Marshal(i.config(layer))
	if err != nil {
		return fmt.Errorf("image %s: %w", i.Name, err)
	}
	configName := digest(config) + ".json"
	manifest, err := json.Marshal([]map[string]any{{
		"Config": configName, "RepoTags": []string{i.Name}, "Layers": []string{"layer.tar"},
	}})
	if err != nil {
		return fmt.Errorf("image %s: %w", i.Name, err)
	}
	return pack(w, []File{
		{Name: "layer.tar", Mode: 0o644, Data: layer},
		{Name: configName, Mode: 0o644, Data: config},
		{Name: "manifest.json", Mode: 0o644, Data: manifest},
	})
}

func (i Image) config(layer []byte) map[string]any {
	return map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "created": "1970-01-01T00:00:00Z",
		"config": map[string]any{"Entrypoint": i.Entrypoint, "Cmd": i.Command, "Env": i.Env},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + digest(layer)}},
	}
}

func layer(files []File) ([]byte, error) {
	var buf bytes.Buffer
	err := pack(&buf, files)
	return buf.Bytes(), err
}

func pack(w io.Writer, files []File) error {
	t := tar.NewWriter(w)
	for _, f := range files {
		if err := t.WriteHeader(f.header()); err != nil {
			return fmt.Errorf("file %s: %w", f.Name, err)
		}
		if _, err := t.Write(f.Data); err != nil {
			return fmt.Errorf("file %s: %w", f.Name, err)
		}
	}
	return t.Close()
}

func (f File) header() *tar.Header {
	h := &tar.Header{Name: f.Name, Mode: f.Mode, Typeflag: tar.TypeReg, Size: int64(len(f.Data))}
	switch {
	case f.Link != "":
		h.Typeflag, h.Linkname = tar.TypeSymlink, f.Link
	case f.Name[len(f.Name)-1] == '/':
		h.Typeflag = tar.TypeDir
	}
	return h
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// RequireStatic refuses a program that needs a loader: such an image has none.
func RequireStatic(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("program %s: %w", path, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("program %s is not linked statically", path)
		}
	}
	return nil
}
