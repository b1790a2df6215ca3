package runtime

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// programs are those that BinDir must have.
var programs = []string{
	"containerd", "containerd-shim-runc-v2", "runc", "ctr", "lubberline-pause",
	"bridge", "host-local", "portmap", "bandwidth", "loopback",
}

func checkPrograms(dir string) error {
	var errs []error
	for _, name := range programs {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode()&0o111 == 0 {
			errs = append(errs, fmt.Errorf("no program %s", filepath.Join(dir, name)))
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("container runtime: %w: `make runtime` builds them", errors.Join(errs...))
	}
	return nil
}

// FindPrograms returns the folder of the runtime's programs: the one named, or
// "runtime" beside this executable, or /usr/libexec/lubberline.
func FindPrograms(named string) (string, error) {
	if named != "" {
		return named, checkPrograms(named)
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("container runtime: %w", err)
	}
	beside := filepath.Join(filepath.Dir(self), "runtime")
	if checkPrograms(beside) == nil {
		return beside, nil
	}
	const installed = "/usr/libexec/lubberline"
	if checkPrograms(installed) == nil {
		return installed, nil
	}
	return "", checkPrograms(beside)
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}
