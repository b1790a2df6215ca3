package access

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// refersTo says whether a pod needs the object of that name in its namespace.
func refersTo(p *corev1.Pod, resource, name string) bool {
	switch resource {
	case "secrets":
		return refersToSecret(p, name)
	case "configmaps":
		return refersToConfigMap(p, name)
	case "persistentvolumeclaims":
		return slices.ContainsFunc(p.Spec.Volumes, func(v corev1.Volume) bool {
			return v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == name ||
				v.Ephemeral != nil && p.Name+"-"+v.Name == name
		})
	case "serviceaccounts":
		return p.Spec.ServiceAccountName == name
	}
	return false
}

func refersToSecret(p *corev1.Pod, name string) bool {
	for _, s := range p.Spec.ImagePullSecrets {
		if s.Name == name {
			return true
		}
	}
	for _, v := range p.Spec.Volumes {
		if v.Secret != nil && v.Secret.SecretName == name || projects(v, func(s corev1.VolumeProjection) bool {
			return s.Secret != nil && s.Secret.Name == name
		}) {
			return true
		}
	}
	return environmentHas(p, func(from corev1.EnvFromSource) bool {
		return from.SecretRef != nil && from.SecretRef.Name == name
	}, func(value corev1.EnvVarSource) bool {
		return value.SecretKeyRef != nil && value.SecretKeyRef.Name == name
	})
}

func refersToConfigMap(p *corev1.Pod, name string) bool {
	for _, v := range p.Spec.Volumes {
		if v.ConfigMap != nil && v.ConfigMap.Name == name || projects(v, func(s corev1.VolumeProjection) bool {
			return s.ConfigMap != nil && s.ConfigMap.Name == name || s.ServiceAccountToken != nil && name == rootCA
		}) {
			return true
		}
	}
	return environmentHas(p, func(from corev1.EnvFromSource) bool {
		return from.ConfigMapRef != nil && from.ConfigMapRef.Name == name
	}, func(value corev1.EnvVarSource) bool {
		return value.ConfigMapKeyRef != nil && value.ConfigMapKeyRef.Name == name
	})
}

// rootCA is the bundle that goes with every token.
const rootCA = "kube-root-ca.crt"

func projects(v corev1.Volume, is func(corev1.VolumeProjection) bool) bool {
	return v.Projected != nil && slices.ContainsFunc(v.Projected.Sources, is)
}

// environmentHas looks at every container's environment.
func environmentHas(p *corev1.Pod, from func(corev1.EnvFromSource) bool, value func(corev1.EnvVarSource) bool) bool {
	for _, sources := range environments(p) {
		if slices.ContainsFunc(sources.from, from) || slices.ContainsFunc(sources.vars, func(v corev1.EnvVar) bool {
			return v.ValueFrom != nil && value(*v.ValueFrom)
		}) {
			return true
		}
	}
	return false
}

type environment struct {
	from []corev1.EnvFromSource
	vars []corev1.EnvVar
}

func environments(p *corev1.Pod) []environment {
	var all []environment
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		all = append(all, environment{c.EnvFrom, c.Env})
	}
	for _, c := range p.Spec.EphemeralContainers {
		all = append(all, environment{c.EnvFrom, c.Env})
	}
	return all
}
