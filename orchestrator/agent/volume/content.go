package volume

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"

	"github.com/lubberline/lubberline/orchestrator/agent/environment/downward"
)

// contentVolume is a folder whose files come from objects: a projected volume,
// or one of the single kinds, which are projections of one source.
type contentVolume struct {
	path    string
	memory  bool // its files must not reach a disk
	sources []corev1.VolumeProjection
	mode    *int32
}

// file is one file of a content volume.
type file struct {
	data []byte
	mode int32
	// uid owns the file where set.
	uid *int64
}

func fromConfigMap(s *corev1.ConfigMapVolumeSource) []corev1.VolumeProjection {
	return []corev1.VolumeProjection{{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: s.LocalObjectReference, Items: s.Items, Optional: s.Optional}}}
}

func fromSecret(s *corev1.SecretVolumeSource) []corev1.VolumeProjection {
	return []corev1.VolumeProjection{{Secret: &corev1.SecretProjection{LocalObjectReference: corev1.LocalObjectReference{Name: s.SecretName}, Items: s.Items, Optional: s.Optional}}}
}

func fromDownwardAPI(s *corev1.DownwardAPIVolumeSource) []corev1.VolumeProjection {
	return []corev1.VolumeProjection{{DownwardAPI: &corev1.DownwardAPIProjection{Items: s.Items}}}
}

// collect reads all files of the volume by their path in it. A later source
// replaces an earlier one's file. The errors of all sources are given together.
func (m *Manager) collect(ctx context.Context, p *podVolumes, name string, c contentVolume) (map[string]file, error) {
	defaultMode := int32(0o644)
	if c.mode != nil {
		defaultMode = *c.mode
	}
	files := map[string]file{}
	var errs []error
	for i := range c.sources {
		if err := m.project(ctx, p, name, &c.sources[i], defaultMode, files); err != nil {
			errs = append(errs, err)
		}
	}
	return files, utilerrors.NewAggregate(errs)
}

func (m *Manager) project(ctx context.Context, p *podVolumes, name string, s *corev1.VolumeProjection, mode int32, files map[string]file) error {
	switch {
	case s.ConfigMap != nil:
		return m.projectConfigMap(ctx, p.pod.Namespace, s.ConfigMap, mode, files)
	case s.Secret != nil:
		return m.projectSecret(ctx, p.pod.Namespace, s.Secret, mode, files)
	case s.DownwardAPI != nil:
		return m.projectDownwardAPI(p.pod, s.DownwardAPI.Items, mode, files)
	case s.ServiceAccountToken != nil:
		return m.projectToken(ctx, p, name, s.ServiceAccountToken, mode, files)
	case s.ClusterTrustBundle != nil:
		return errors.New("clusterTrustBundle projections are not supported by this node")
	case s.PodCertificate != nil:
		return errors.New("podCertificate projections are not supported by this node")
	}
	return nil
}

func isOptional(optional *bool) bool { return optional != nil && *optional }

func (m *Manager) projectConfigMap(ctx context.Context, namespace string, s *corev1.ConfigMapProjection, mode int32, files map[string]file) error {
	object, err := m.o.Objects.ConfigMap(ctx, namespace, s.Name)
	if apierrors.IsNotFound(err) && isOptional(s.Optional) {
		return nil
	}
	if err != nil {
		return err
	}
	data := make(map[string][]byte, len(object.Data)+len(object.BinaryData))
	for k, v := range object.BinaryData {
		data[k] = v
	}
	for k, v := range object.Data {
		data[k] = []byte(v)
	}
	return pick(data, s.Items, mode, isOptional(s.Optional), "configmap references non-existent config key: %s", files)
}

func (m *Manager) projectSecret(ctx context.Context, namespace string, s *corev1.SecretProjection, mode int32, files map[string]file) error {
	object, err := m.o.Objects.Secret(ctx, namespace, s.Name)
	if apierrors.IsNotFound(err) && isOptional(s.Optional) {
		return nil
	}
	if err != nil {
		return err
	}
	return pick(object.Data, s.Items, mode, isOptional(s.Optional), "references non-existent secret key: %s", files)
}

// pick takes the items, or all of the data where there are none.
func pick(data map[string][]byte, items []corev1.KeyToPath, mode int32, optional bool, missing string, files map[string]file) error {
	if len(items) == 0 {
		for name, content := range data {
			files[name] = file{data: content, mode: mode}
		}
		return nil
	}
	for _, item := range items {
		content, ok := data[item.Key]
		switch {
		case ok:
			files[item.Path] = file{data: content, mode: modeOf(item.Mode, mode)}
		case !optional:
			return fmt.Errorf(missing, item.Key)
		}
	}
	return nil
}

func modeOf(own *int32, standard int32) int32 {
	if own != nil {
		return *own
	}
	return standard
}

func (m *Manager) projectDownwardAPI(pod *corev1.Pod, items []corev1.DownwardAPIVolumeFile, mode int32, files map[string]file) error {
	var errs []error
	for i := range items {
		value, err := m.downwardValue(pod, &items[i])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		files[filepath.Clean(items[i].Path)] = file{data: []byte(value), mode: modeOf(items[i].Mode, mode)}
	}
	return utilerrors.NewAggregate(errs)
}

func (m *Manager) downwardValue(pod *corev1.Pod, item *corev1.DownwardAPIVolumeFile) (string, error) {
	switch {
	case item.FieldRef != nil:
		return downward.Metadata(pod, item.FieldRef.FieldPath)
	case item.ResourceFieldRef != nil:
		return downward.Resource(pod, nil, item.ResourceFieldRef, m.o.Host())
	}
	return "", nil
}
