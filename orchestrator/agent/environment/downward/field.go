// Package downward answers what a pod may ask about itself: its fields and the
// resources of its containers, as environment variables and volumes show them.
package downward

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Host is what of the node shows in its pods.
type Host struct {
	// IPs are the node's addresses, the first of them the preferred one.
	IPs []string
	// Allocatable is the default limit of cpu, memory and ephemeral storage.
	Allocatable corev1.ResourceList
}

// Field returns the value of a fieldRef. podIPs are the sandbox's, which the
// pod's status may not have yet.
func Field(pod *corev1.Pod, path string, host Host, podIPs []string) (string, error) {
	podIPs = preferFamily(podIPs, host.IPs)
	switch path {
	case "spec.nodeName", "spec.host":
		return pod.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return pod.Spec.ServiceAccountName, nil
	case "status.hostIP":
		return first(host.IPs), nil
	case "status.hostIPs":
		return strings.Join(host.IPs, ","), nil
	case "status.podIP":
		return first(podIPs), nil
	case "status.podIPs":
		return strings.Join(podIPs, ","), nil
	}
	return Metadata(pod, path)
}

// Metadata returns one of the fields below metadata, which are all that a
// volume can show.
func Metadata(pod *corev1.Pod, path string) (string, error) {
	if field, key, ok := subscript(path); ok {
		return keyed(pod, path, field, key)
	}
	switch path {
	case "metadata.name":
		return pod.Name, nil
	case "metadata.namespace":
		return pod.Namespace, nil
	case "metadata.uid":
		return string(pod.UID), nil
	case "metadata.labels":
		return Format(pod.Labels), nil
	case "metadata.annotations":
		return Format(pod.Annotations), nil
	}
	return "", fmt.Errorf("unsupported fieldPath: %v", path)
}

func keyed(pod *corev1.Pod, path, field, key string) (string, error) {
	var values map[string]string
	checked := key
	switch field {
	case "metadata.annotations":
		values, checked = pod.Annotations, strings.ToLower(key)
	case "metadata.labels":
		values = pod.Labels
	default:
		return "", fmt.Errorf("fieldPath %q does not support subscript", path)
	}
	if errs := validation.IsQualifiedName(checked); len(errs) > 0 {
		return "", fmt.Errorf("invalid key subscript in %s: %s", path, strings.Join(errs, ";"))
	}
	return values[key], nil
}

// subscript takes metadata.labels['x'] apart.
func subscript(path string) (field, key string, ok bool) {
	inner, ok := strings.CutSuffix(path, "']")
	if !ok {
		return path, "", false
	}
	field, key, ok = strings.Cut(inner, "['")
	return field, key, ok && field != ""
}

// Format writes labels or annotations as one line each, key="quoted value", in
// the order of the keys and without a newline at the end.
func Format(m map[string]string) string {
	var b []byte
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if len(b) > 0 {
			b = append(b, '\n')
		}
		b = append(append(b, key...), '=')
		b = strconv.AppendQuote(b, m[key])
	}
	return string(b)
}

// preferFamily puts the addresses of the node's own family first.
func preferFamily(podIPs, hostIPs []string) []string {
	host, err := netip.ParseAddr(first(hostIPs))
	if err != nil || len(podIPs) < 2 {
		return podIPs
	}
	sorted := slices.Clone(podIPs)
	slices.SortStableFunc(sorted, func(a, b string) int { return rank(a, host) - rank(b, host) })
	return sorted
}

func rank(ip string, host netip.Addr) int {
	if a, err := netip.ParseAddr(ip); err == nil && a.Is4() == host.Is4() {
		return 0
	}
	return 1
}

func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}
