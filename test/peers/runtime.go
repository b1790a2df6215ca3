package peers

import (
	"path/filepath"
	"testing"
)

// RuntimePrograms is the folder of the bundled container runtime's programs
// (containerd, runc, …), which `make runtime` builds.
func RuntimePrograms(t testing.TB) string {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "bin", "runtime")
}
