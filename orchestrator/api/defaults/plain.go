package defaults

import (
	v1 "k8s.io/api/core/v1"
)

// setNamespace labels a namespace with its name; one whose name is still to be
// generated is labelled by who generates it.
func setNamespace(ns *v1.Namespace) {
	orDefault(&ns.Status.Phase, v1.NamespaceActive)
	if ns.Name == "" {
		return
	}
	if ns.Labels == nil {
		ns.Labels = map[string]string{}
	}
	ns.Labels[v1.LabelMetadataName] = ns.Name
}

// setSecret moves stringData, which is never stored, over data.
func setSecret(s *v1.Secret) {
	orDefault(&s.Type, v1.SecretTypeOpaque)
	if len(s.StringData) > 0 && s.Data == nil {
		s.Data = make(map[string][]byte, len(s.StringData))
	}
	for key, value := range s.StringData {
		s.Data[key] = []byte(value)
	}
	s.StringData = nil
}

func setConfigMap(c *v1.ConfigMap) {
	if c.Data == nil {
		c.Data = map[string]string{}
	}
}
