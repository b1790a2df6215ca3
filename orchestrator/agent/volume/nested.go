package volume

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// makeNested makes the folders in the volume at which a container mounts other
// volumes: the volume will be read-only for the runtime.
func makeNested(pod *corev1.Pod, name, dir string) error {
	for _, mounts := range allMounts(pod) {
		for _, outer := range mounts {
			if outer.Name != name || outer.SubPath != "" || outer.SubPathExpr != "" {
				continue
			}
			for _, inner := range mounts {
				if err := makeMountPoint(dir, outer.MountPath, inner.MountPath); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func makeMountPoint(dir, outer, inner string) error {
	relative, ok := strings.CutPrefix(path.Clean(inner), strings.TrimSuffix(path.Clean(outer), "/")+"/")
	if !ok {
		return nil
	}
	if strings.HasPrefix(relative, "..") {
		return fmt.Errorf("invalid mount point %q in a volume", inner)
	}
	return os.MkdirAll(filepath.Join(dir, relative), 0o755)
}
