package endpoints

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilnet "k8s.io/utils/net"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// canServe: the pod has an address and has not ended.
func canServe(pod *corev1.Pod) bool { return len(podIPs(pod)) > 0 && !podutil.IsTerminal(pod) }

func podIPs(pod *corev1.Pod) []string {
	var all []string
	for _, ip := range pod.Status.PodIPs {
		if ip.IP != "" {
			all = append(all, ip.IP)
		}
	}
	if len(all) == 0 && pod.Status.PodIP != "" {
		all = append(all, pod.Status.PodIP)
	}
	return all
}

// families are the address types that a service's endpoints have.
func families(s *corev1.Service) []discoveryv1.AddressType {
	var all []discoveryv1.AddressType
	for _, f := range s.Spec.IPFamilies {
		all = append(all, discoveryv1.AddressType(f))
	}
	if len(all) > 0 {
		return all
	}
	if utilnet.IsIPv6String(s.Spec.ClusterIP) {
		return []discoveryv1.AddressType{discoveryv1.AddressTypeIPv6}
	}
	return []discoveryv1.AddressType{discoveryv1.AddressTypeIPv4}
}

// addressOf is the pod's first address of a family, "" when it has none.
func addressOf(pod *corev1.Pod, family discoveryv1.AddressType) string {
	for _, ip := range podIPs(pod) {
		if utilnet.IsIPv6String(ip) == (family == discoveryv1.AddressTypeIPv6) {
			return ip
		}
	}
	return ""
}

// hostnameOf is the name that the pod has below a headless service.
func hostnameOf(pod *corev1.Pod, s *corev1.Service) string {
	if pod.Spec.Hostname != "" && pod.Spec.Subdomain == s.Name {
		return pod.Spec.Hostname
	}
	return ""
}

func isHeadless(s *corev1.Service) bool {
	return s.Spec.ClusterIP == "" || s.Spec.ClusterIP == corev1.ClusterIPNone
}

func targetOf(pod *corev1.Pod) *corev1.ObjectReference {
	return &corev1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}
}

// port is a service's port as one pod has it.
type port struct {
	name        string
	protocol    corev1.Protocol
	number      int32
	appProtocol *string
}

// portsOf resolves the service's ports; one whose name the pod does not have is
// left out.
func portsOf(pod *corev1.Pod, s *corev1.Service) []port {
	var all []port
	for i := range s.Spec.Ports {
		p := &s.Spec.Ports[i]
		if number := resolve(pod, p); number > 0 {
			all = append(all, port{p.Name, cmp.Or(p.Protocol, corev1.ProtocolTCP), number, p.AppProtocol})
		}
	}
	slices.SortFunc(all, comparePorts)
	return all
}

func comparePorts(a, b port) int {
	return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.number, b.number), strings.Compare(string(a.protocol), string(b.protocol)))
}

func resolve(pod *corev1.Pod, p *corev1.ServicePort) int32 {
	if p.TargetPort.Type == intstr.Int {
		return cmp.Or(p.TargetPort.IntVal, p.Port)
	}
	containers := slices.Clone(pod.Spec.Containers)
	for i := range pod.Spec.InitContainers {
		if podutil.IsSidecar(&pod.Spec.InitContainers[i]) {
			containers = append(containers, pod.Spec.InitContainers[i])
		}
	}
	for _, container := range containers {
		for _, known := range container.Ports {
			if known.Name == p.TargetPort.StrVal && cmp.Or(known.Protocol, corev1.ProtocolTCP) == cmp.Or(p.Protocol, corev1.ProtocolTCP) {
				return known.ContainerPort
			}
		}
	}
	return 0
}

// portsKey is the same for equal ports.
func portsKey(ports []port) string {
	var key strings.Builder
	for _, p := range ports {
		app := ""
		if p.appProtocol != nil {
			app = *p.appProtocol
		}
		fmt.Fprintf(&key, "%s %s %d %s;", p.name, p.protocol, p.number, app)
	}
	return key.String()
}
