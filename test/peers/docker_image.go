package peers

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"

	"github.com/lubberline/lubberline/orchestrator/runtime/imagefile"
)

// busyboxArchive is an image of this machine's static busybox that runs the
// command unless told otherwise.
func busyboxArchive(name string, command []string) ([]byte, error) {
	path, err := exec.LookPath("busybox")
	if err != nil {
		return nil, errors.New("no busybox: run test/peers/install.sh as root")
	}
	image, err := imagefile.Busybox(path, name)
	if err != nil {
		return nil, fmt.Errorf("%w: run test/peers/install.sh as root", err)
	}
	image.Command = command
	var archive bytes.Buffer
	err = image.Write(&archive)
	return archive.Bytes(), err
}
