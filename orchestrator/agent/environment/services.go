package environment

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Services returns the variables that tell a pod of the namespace where its
// services are: always the API server's, the others of its namespace where
// links is set. A service without an address has none.
func Services(all []*corev1.Service, namespace string, links bool) map[string]string {
	seen := map[string]*corev1.Service{}
	for _, s := range all {
		switch {
		case s.Spec.ClusterIP == "" || s.Spec.ClusterIP == corev1.ClusterIPNone || len(s.Spec.Ports) == 0:
		case s.Namespace == corev1.NamespaceDefault && s.Name == "kubernetes":
			if seen[s.Name] == nil {
				seen[s.Name] = s
			}
		case s.Namespace == namespace && links:
			seen[s.Name] = s // a namespace's own "kubernetes" goes first
		}
	}
	vars := map[string]string{}
	for _, s := range seen {
		describe(s, vars)
	}
	return vars
}

func describe(s *corev1.Service, vars map[string]string) {
	prefix := variableName(s.Name)
	vars[prefix+"_SERVICE_HOST"] = s.Spec.ClusterIP
	vars[prefix+"_SERVICE_PORT"] = strconv.Itoa(int(s.Spec.Ports[0].Port))
	for _, p := range s.Spec.Ports {
		if p.Name != "" {
			vars[prefix+"_SERVICE_PORT_"+variableName(p.Name)] = strconv.Itoa(int(p.Port))
		}
	}
	for _, p := range slices.Backward(s.Spec.Ports) {
		describeLink(prefix, s.Spec.ClusterIP, p, vars)
	}
}

// describeLink adds the variables that Docker's links once had. The last call
// of a service, for its first port, decides <NAME>_PORT.
func describeLink(prefix, ip string, p corev1.ServicePort, vars map[string]string) {
	protocol := p.Protocol
	if protocol == "" {
		protocol = corev1.ProtocolTCP
	}
	port := strconv.Itoa(int(p.Port))
	scheme := strings.ToLower(string(protocol))
	url := scheme + "://" + net.JoinHostPort(ip, port)
	link := fmt.Sprintf("%s_PORT_%s_%s", prefix, port, strings.ToUpper(string(protocol)))
	vars[prefix+"_PORT"] = url
	vars[link] = url
	vars[link+"_PROTO"] = scheme
	vars[link+"_PORT"] = port
	vars[link+"_ADDR"] = ip
}

func variableName(s string) string {
	return strings.ToUpper(strings.ReplaceAll(s, "-", "_"))
}
