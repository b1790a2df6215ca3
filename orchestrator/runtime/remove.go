package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// removeBound is how long ending all pods may take.
const removeBound = 2 * time.Minute

// Remove ends every pod, then containerd, and takes the state directory and the
// bridge away. Images and layers stay in DataDir. No Runtime may run with the
// same directories. What is not there is no error.
func Remove(ctx context.Context, o Options) error {
	if o.StateDir == "" {
		o.StateDir = StateDirOf(o.DataDir)
	}
	ctx, cancel := context.WithTimeout(ctx, removeBound)
	defer cancel()
	r := &Runtime{o: o, log: o.Logger}
	daemon := &supervised{pidFile: filepath.Join(o.StateDir, "containerd.pid"), log: o.Logger}
	var errs []error
	if id, ok := daemon.running(); ok {
		errs = append(errs, removePods(ctx, r.Socket()), daemon.end(ctx, id))
	}
	errs = append(errs, UnmountBelow(o.StateDir), UnmountBelow(o.DataDir), os.RemoveAll(o.StateDir), o.Network.Remove())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove the container runtime: %w", err)
	}
	return nil
}

// attempts is how often pods are ended before what is left is an error: a
// container that was just being started when its pod ended goes the next time.
const attempts = 5

// removePods ends and removes every sandbox with its containers.
func removePods(ctx context.Context, socket string) error {
	conn, err := dial(socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	for range attempts {
		if err = removeAll(ctx, cri.NewRuntimeServiceClient(conn)); err == nil {
			return nil
		}
	}
	return err
}

// removeAll removes the pods that there are, all at once.
func removeAll(ctx context.Context, client cri.RuntimeServiceClient) error {
	list, err := client.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{})
	if err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	ended := make(chan error)
	for _, pod := range list.GetItems() {
		go func() { ended <- removePod(ctx, client, pod.GetId()) }()
	}
	var errs []error
	for range list.GetItems() {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}

func removePod(ctx context.Context, client cri.RuntimeServiceClient, id string) error {
	if _, err := client.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: id}); err != nil {
		return fmt.Errorf("end pod %s: %w", id, err)
	}
	if _, err := client.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: id}); err != nil {
		return fmt.Errorf("remove pod %s: %w", id, err)
	}
	return nil
}

// UnmountBelow undoes every mount below the directory, the deepest first.
func UnmountBelow(dir string) error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	var points []string
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], dir+"/") {
			points = append(points, fields[4])
		}
	}
	var errs []error
	for i := len(points) - 1; i >= 0; i-- { // the file lists them in the order they were made
		if err := unix.Unmount(points[i], unix.MNT_DETACH); err != nil {
			errs = append(errs, fmt.Errorf("unmount %s: %w", points[i], err))
		}
	}
	return errors.Join(errs...)
}
