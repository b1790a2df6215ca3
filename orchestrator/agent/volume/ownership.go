package volume

import (
	"io/fs"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
)

func fsGroup(pod *corev1.Pod) *int64 {
	if pod.Spec.SecurityContext == nil {
		return nil
	}
	return pod.Spec.SecurityContext.FSGroup
}

// fsUser is the user that all containers of the pod run as, nil where they
// differ or one does not say.
func fsUser(pod *corev1.Pod) *int64 {
	var standard, common *int64
	if sc := pod.Spec.SecurityContext; sc != nil {
		standard = sc.RunAsUser
	}
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			user := standard
			if sc := list[i].SecurityContext; sc != nil && sc.RunAsUser != nil {
				user = sc.RunAsUser
			}
			if user == nil || common != nil && *common != *user {
				return nil
			}
			common = user
		}
	}
	return common
}

// own gives everything below root to the group, which may read it (and write
// it, unless the volume is read-only); new files inherit the group. Nothing is
// done without a group.
func own(root string, group *int64, readOnly bool) error {
	if group == nil {
		return nil
	}
	add := fs.FileMode(0o660)
	if readOnly {
		add = 0o440
	}
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return ownOne(path, d, int(*group), add)
	})
}

func ownOne(path string, d fs.DirEntry, group int, add fs.FileMode) error {
	if err := os.Lchown(path, -1, group); err != nil {
		return err
	}
	info, err := d.Info()
	if err != nil || info.Mode()&fs.ModeSymlink != 0 {
		return err
	}
	if info.IsDir() {
		add |= fs.ModeSetgid | 0o110
	}
	return os.Chmod(path, info.Mode()|add)
}
