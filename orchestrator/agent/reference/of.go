package reference

import (
	corev1 "k8s.io/api/core/v1"
)

// Of returns the ConfigMaps and Secrets that the pod refers to: volumes,
// variables and image pull secrets. One may be there more than once.
func Of(pod *corev1.Pod) []key {
	r := refs{namespace: pod.Namespace}
	for _, s := range pod.Spec.ImagePullSecrets {
		r.add(secret, s.Name)
	}
	for i := range pod.Spec.Volumes {
		r.volume(&pod.Spec.Volumes[i].VolumeSource)
	}
	for i := range pod.Spec.InitContainers {
		r.container(pod.Spec.InitContainers[i].Env, pod.Spec.InitContainers[i].EnvFrom)
	}
	for i := range pod.Spec.Containers {
		r.container(pod.Spec.Containers[i].Env, pod.Spec.Containers[i].EnvFrom)
	}
	for i := range pod.Spec.EphemeralContainers {
		r.container(pod.Spec.EphemeralContainers[i].Env, pod.Spec.EphemeralContainers[i].EnvFrom)
	}
	return r.keys
}

type refs struct {
	namespace string
	keys      []key
}

func (r *refs) add(k kind, name string) {
	if name != "" {
		r.keys = append(r.keys, key{k, r.namespace, name})
	}
}

func (r *refs) volume(v *corev1.VolumeSource) {
	switch {
	case v.ConfigMap != nil:
		r.add(configMap, v.ConfigMap.Name)
	case v.Secret != nil:
		r.add(secret, v.Secret.SecretName)
	case v.Projected != nil:
		for i := range v.Projected.Sources {
			r.projection(&v.Projected.Sources[i])
		}
	}
}

func (r *refs) projection(p *corev1.VolumeProjection) {
	if p.ConfigMap != nil {
		r.add(configMap, p.ConfigMap.Name)
	}
	if p.Secret != nil {
		r.add(secret, p.Secret.Name)
	}
}

func (r *refs) container(env []corev1.EnvVar, from []corev1.EnvFromSource) {
	for _, f := range from {
		if f.ConfigMapRef != nil {
			r.add(configMap, f.ConfigMapRef.Name)
		}
		if f.SecretRef != nil {
			r.add(secret, f.SecretRef.Name)
		}
	}
	for i := range env {
		if v := env[i].ValueFrom; v != nil && v.ConfigMapKeyRef != nil {
			r.add(configMap, v.ConfigMapKeyRef.Name)
		} else if v != nil && v.SecretKeyRef != nil {
			r.add(secret, v.SecretKeyRef.Name)
		}
	}
}
