package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

// library is a line of ldd: a name and where that is, or only where.
var library = regexp.MustCompile(`(?m)^\s+(?:\S+ => )?(/\S+) \(0x`)

// Pack copies programs of this machine into a folder that is to be an image's
// root, each to where it is here, with the libraries that it needs.
func Pack(root string, programs ...string) error {
	for _, name := range programs {
		path, err := exec.LookPath(name)
		if err != nil {
			return fmt.Errorf("%s: run test/peers/install.sh first: %w", name, err)
		}
		files := []string{path}
		out, err := exec.Command("ldd", path).CombinedOutput() // an error for what is static, which has none
		for _, found := range library.FindAllSubmatch(out, -1) {
			files = append(files, string(found[1]))
		}
		if err != nil && len(files) > 1 {
			return fmt.Errorf("ldd %s: %w: %s", path, err, out)
		}
		for _, file := range files {
			if err := copyFile(filepath.Join(root, file), file); err != nil {
				return err
			}
		}
	}
	return nil
}

func copyFile(to, from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, data, 0o755))
}

// Builds gives the host an image of a folder.
func (h *Host) Builds(image, root string) error {
	_, err := h.Lubberline("images", "build", "--from", root, "--name", image, "--env", "PATH=/usr/bin:/bin", "--socket", h.Socket())
	return err
}
