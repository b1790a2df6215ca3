package runtime

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	"github.com/distribution/reference"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/lubberline/lubberline/orchestrator/runtime/imagefile"
)

// criNamespace is containerd's name for what CRI sees.
const criNamespace = "k8s.io"

// pinned is the label of images that are not removed to free disk.
const pinned = "io.cri-containerd.pinned=pinned"

// Images puts images into a runtime, so that machines without a registry have
// some, and lists them.
type Images struct {
	// BinDir has ctr.
	BinDir string
	// Socket is the runtime's.
	Socket string
}

// unpacked is how ctr tells of an image that it has imported.
var unpacked = regexp.MustCompile(`(?m)^unpacking (\S+) \(`)

// Import reads an archive as `docker save` or OCI tools write it. It can be
// used by pods when Import returns, and is kept when the disk is full: it could
// not be pulled again. The runtime must be containerd.
func (i Images) Import(ctx context.Context, archive io.Reader) error {
	out, err := i.ctr(ctx, archive, "images", "import", "--local", "-")
	if err != nil {
		return fmt.Errorf("import images into %s: %w", i.Socket, err)
	}
	for _, m := range unpacked.FindAllSubmatch(out, -1) {
		if _, err := i.ctr(ctx, nil, "images", "label", string(m[1]), pinned); err != nil {
			return fmt.Errorf("keep image %s: %w", m[1], err)
		}
	}
	return nil
}

// Export writes an archive of images, for Import on another machine. The names
// may be short, as "web:1".
func (i Images) Export(ctx context.Context, archive io.Writer, names ...string) error {
	args := []string{"--address", i.Socket, "--namespace", criNamespace, "images", "export", "--local", "-"}
	for _, name := range names {
		full, err := reference.ParseDockerRef(name)
		if err != nil {
			return fmt.Errorf("image %q: %w", name, err)
		}
		args = append(args, full.String())
	}
	cmd := exec.CommandContext(ctx, filepath.Join(i.BinDir, "ctr"), args...)
	var complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = archive, &complaint
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("export images of %s: %w: %s", i.Socket, err, bytes.TrimSpace(complaint.Bytes()))
	}
	return nil
}

// ctr runs containerd's client.
func (i Images) ctr(ctx context.Context, in io.Reader, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(i.BinDir, "ctr"), append([]string{"--address", i.Socket, "--namespace", criNamespace}, args...)...)
	cmd.Stdin = in
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return out, nil
}

// List returns what pods can use without pulling.
func (i Images) List(ctx context.Context) ([]*cri.Image, error) {
	conn, err := dial(i.Socket)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	answer, err := cri.NewImageServiceClient(conn).ListImages(ctx, &cri.ListImagesRequest{})
	if err != nil {
		return nil, fmt.Errorf("list the images of %s: %w", i.Socket, err)
	}
	return answer.GetImages(), nil
}

// ensureSandbox imports the sandbox image unless it is there.
func (i Images) ensureSandbox(ctx context.Context) error {
	conn, err := dial(i.Socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	answer, err := cri.NewImageServiceClient(conn).ImageStatus(ctx, &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: SandboxImage}})
	if err != nil {
		return fmt.Errorf("image %s: %w", SandboxImage, err)
	}
	if answer.GetImage() != nil {
		return nil
	}
	archive, err := sandboxArchive(filepath.Join(i.BinDir, "lubberline-pause"))
	if err != nil {
		return err
	}
	return i.Import(ctx, archive)
}

func sandboxArchive(program string) (io.Reader, error) {
	if err := imagefile.RequireStatic(program); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(program)
	if err != nil {
		return nil, fmt.Errorf("sandbox image: %w", err)
	}
	var archive bytes.Buffer
	err = imagefile.Image{
		Name: SandboxImage, Entrypoint: []string{"/pause"},
		Files: []imagefile.File{{Name: "pause", Mode: 0o755, Data: data}},
	}.Write(&archive)
	return &archive, err
}

func dial(socket string) (*grpc.ClientConn, error) {
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, fmt.Errorf("container runtime %s: %w", socket, err)
	}
	return conn, nil
}

// awaitCRI returns when the runtime runs pods: its own condition and that of
// the network are true.
func awaitCRI(ctx context.Context, socket string) error {
	conn, err := dial(socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	client := cri.NewRuntimeServiceClient(conn)
	for {
		status, err := client.Status(ctx, &cri.StatusRequest{})
		if err == nil && allTrue(status.GetStatus().GetConditions()) {
			return nil
		}
		conn.ResetConnectBackoff() // the socket appears while we look
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("container runtime %s: not ready: %w", socket, ctx.Err())
		}
	}
}

func allTrue(conditions []*cri.RuntimeCondition) bool {
	for _, c := range conditions {
		if (c.GetType() == cri.RuntimeReady || c.GetType() == cri.NetworkReady) && !c.GetStatus() {
			return false
		}
	}
	return len(conditions) > 0
}
