package worker

import (
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
)

// Lengths that the kernel allows: a label, and a node name with domain.
const (
	maxHostname = 63
	maxFQDN     = 64
)

// hostname is the kernel's host name for the pod: its name or spec.hostname,
// shortened to a label, or with setHostnameAsFQDN the full name.
func hostname(pod *v1.Pod, clusterDomain string) (string, error) {
	if override := pod.Spec.HostnameOverride; override != nil {
		return shorten(*override), nil
	}
	name := pod.Name
	if pod.Spec.Hostname != "" {
		name = pod.Spec.Hostname
	}
	name = shorten(name)
	full := pod.Spec.SetHostnameAsFQDN
	if pod.Spec.Subdomain == "" || full == nil || !*full {
		return name, nil
	}
	fqdn := fmt.Sprintf("%s.%s.%s.svc.%s", name, pod.Spec.Subdomain, pod.Namespace, clusterDomain)
	if len(fqdn) > maxFQDN {
		return "", fmt.Errorf("failed to construct FQDN from pod hostname and cluster domain, FQDN %s is too long (%d characters is the max, %d characters requested)", fqdn, maxFQDN, len(fqdn))
	}
	return fqdn, nil
}

func shorten(name string) string {
	if len(name) <= maxHostname {
		return name
	}
	return strings.TrimRight(name[:maxHostname], "-.")
}

// describe names a pod as Kubernetes' messages do: NAME_NAMESPACE(UID).
func describe(pod *v1.Pod) string {
	return fmt.Sprintf("%s_%s(%s)", pod.Name, pod.Namespace, pod.UID)
}
