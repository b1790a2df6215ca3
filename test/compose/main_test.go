package compose

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/lubberline/lubberline/test/peers"
)

// inside is set in the environment of the program once its mounts are shared.
const inside = "LUBBERLINE_TEST_SHARED_MOUNTS"

// TestMain runs the tests in a mount namespace of their own whose mounts are
// shared, as those of machines with systemd are: without that nothing of the
// machine can be propagated into containers.
func TestMain(m *testing.M) {
	if !peers.Real() || os.Getenv(inside) != "" {
		os.Exit(m.Run())
	}
	unshare, err := exec.LookPath("unshare")
	if err == nil {
		args := append([]string{"unshare", "-m", "--propagation", "private", "sh", "-c", `mount --make-rshared / && exec "$@"`, "sh"}, os.Args...)
		err = syscall.Exec(unshare, args, append(os.Environ(), inside+"=1"))
	}
	fmt.Fprintln(os.Stderr, "a mount namespace of the tests' own:", err)
	os.Exit(1)
}
