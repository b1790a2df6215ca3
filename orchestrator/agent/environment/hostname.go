package environment

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// maxHostname is what the kernel holds, less its closing zero byte.
const maxHostname = 63

// Hostname returns the pod's host name and the domain below which it is known,
// which is empty where the pod gives no subdomain.
func Hostname(pod *corev1.Pod, clusterDomain string) (name, domain string, err error) {
	if o := pod.Spec.HostnameOverride; o != nil {
		if msgs := validation.IsDNS1123Subdomain(*o); len(msgs) > 0 {
			return "", "", fmt.Errorf("pod HostnameOverride %q is not a valid DNS subdomain: %s", *o, strings.Join(msgs, ";"))
		}
		name, err = truncate(pod.Name, *o)
		return name, "", err
	}
	name = pod.Name
	if pod.Spec.Hostname != "" {
		name = pod.Spec.Hostname
		if msgs := validation.IsDNS1123Label(name); len(msgs) > 0 {
			return "", "", fmt.Errorf("pod Hostname %q is not a valid DNS label: %s", name, strings.Join(msgs, ";"))
		}
	}
	if name, err = truncate(pod.Name, name); err != nil {
		return "", "", err
	}
	domain, err = subdomain(pod, clusterDomain)
	return name, domain, err
}

func subdomain(pod *corev1.Pod, clusterDomain string) (string, error) {
	s := pod.Spec.Subdomain
	if s == "" {
		return "", nil
	}
	if msgs := validation.IsDNS1123Label(s); len(msgs) > 0 {
		return "", fmt.Errorf("pod Subdomain %q is not a valid DNS label: %s", s, strings.Join(msgs, ";"))
	}
	return fmt.Sprintf("%s.%s.svc.%s", s, pod.Namespace, clusterDomain), nil
}

// truncate cuts a name that is too long; what is left does not end in "-" or ".".
func truncate(podName, hostname string) (string, error) {
	if len(hostname) <= maxHostname {
		return hostname, nil
	}
	cut := strings.TrimRight(hostname[:maxHostname], "-.")
	if cut == "" {
		return "", fmt.Errorf("hostname for pod %q was invalid: %q", podName, hostname)
	}
	return cut, nil
}
