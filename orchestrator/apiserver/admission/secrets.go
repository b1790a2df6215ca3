package admission

import (
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiserver/pkg/admission"
)

// mountableSecretsAnnotation, when true, confines an account's pods to the
// secrets that the account lists.
const mountableSecretsAnnotation = "kubernetes.io/enforce-mountable-secrets"

func confined(account *corev1.ServiceAccount) bool {
	on, err := strconv.ParseBool(account.Annotations[mountableSecretsAnnotation])
	return err == nil && on
}

// checkSecrets returns an error that names the first secret which the account
// does not list.
func checkSecrets(account *corev1.ServiceAccount, pod *corev1.Pod, onlyEphemeral bool) error {
	listed := func(secret string) bool {
		return slices.ContainsFunc(account.Secrets, func(r corev1.ObjectReference) bool { return r.Name == secret })
	}
	for _, use := range secretUses(pod, onlyEphemeral) {
		if !listed(use.secret) {
			return fmt.Errorf("%s secret.secretName=%q is not allowed because service account %s does not reference that secret", use.what, use.secret, account.Name)
		}
	}
	if onlyEphemeral {
		return nil
	}
	for i, s := range pod.Spec.ImagePullSecrets {
		if !slices.Contains(account.ImagePullSecrets, s) {
			return fmt.Errorf("imagePullSecrets[%d].name=%q is not allowed because service account %s does not reference that imagePullSecret", i, s.Name, account.Name)
		}
	}
	return nil
}

// secretUse is one secret used by a pod; what says by which part of it.
type secretUse struct{ what, secret string }

func secretUses(pod *corev1.Pod, onlyEphemeral bool) []secretUse {
	var uses []secretUse
	if onlyEphemeral {
		for _, c := range pod.Spec.EphemeralContainers {
			uses = append(uses, environmentSecrets("ephemeral container", c.Name, c.Env, c.EnvFrom)...)
		}
		return uses
	}
	for _, v := range pod.Spec.Volumes {
		if v.Secret != nil {
			uses = append(uses, secretUse{"volume with", v.Secret.SecretName})
		}
	}
	for _, c := range pod.Spec.InitContainers {
		uses = append(uses, environmentSecrets("init container", c.Name, c.Env, c.EnvFrom)...)
	}
	for _, c := range pod.Spec.Containers {
		uses = append(uses, environmentSecrets("container", c.Name, c.Env, c.EnvFrom)...)
	}
	return uses
}

func environmentSecrets(kind, name string, env []corev1.EnvVar, from []corev1.EnvFromSource) []secretUse {
	var uses []secretUse
	for _, e := range env {
		if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
			uses = append(uses, secretUse{fmt.Sprintf("%s %s with envVar %s referencing", kind, name, e.Name), e.ValueFrom.SecretKeyRef.Name})
		}
	}
	for _, f := range from {
		if f.SecretRef != nil {
			uses = append(uses, secretUse{fmt.Sprintf("%s %s with envFrom referencing", kind, name), f.SecretRef.Name})
		}
	}
	return uses
}

// checkMirror keeps a node from getting at secrets through a pod that it made
// up itself.
func checkMirror(a admission.Attributes, pod *corev1.Pod) error {
	if pod.Spec.ServiceAccountName != "" {
		return forbid(a, "a mirror pod may not reference service accounts")
	}
	if len(pod.Spec.ImagePullSecrets) > 0 || len(secretUses(pod, false)) > 0 {
		return forbid(a, "a mirror pod may not reference secrets")
	}
	for _, v := range pod.Spec.Volumes {
		if v.Projected == nil {
			continue
		}
		for _, source := range v.Projected.Sources {
			if source.Secret != nil {
				return forbid(a, "a mirror pod may not reference secrets")
			}
			if source.ServiceAccountToken != nil {
				return forbid(a, "a mirror pod may not use ServiceAccountToken volume projections")
			}
		}
	}
	return nil
}
