package podutil

import (
	v1 "k8s.io/api/core/v1"
)

// IsSidecar tells whether an init container is one that keeps running beside
// the others (restartPolicy Always).
func IsSidecar(init *v1.Container) bool {
	return init.RestartPolicy != nil && *init.RestartPolicy == v1.ContainerRestartPolicyAlways
}

// HostPort is one port that a pod occupies on its node.
type HostPort struct {
	// IP is the address it listens on; "0.0.0.0" stands for all.
	IP       string
	Protocol v1.Protocol
	Port     int32
}

// Conflicts tells whether two pods that have these ports cannot be on one node.
func (p HostPort) Conflicts(q HostPort) bool {
	if p.Port != q.Port || p.Protocol != q.Protocol {
		return false
	}
	return p.IP == q.IP || p.IP == anyAddress || q.IP == anyAddress
}

const anyAddress = "0.0.0.0"

// HostPorts returns the ports that the containers and sidecars of a pod occupy
// on the node; nil when there are none. Other init containers end before.
func HostPorts(pod *v1.Pod) []HostPort {
	var ports []HostPort
	for i := range pod.Spec.Containers {
		ports = appendHostPorts(ports, &pod.Spec.Containers[i])
	}
	for i := range pod.Spec.InitContainers {
		if IsSidecar(&pod.Spec.InitContainers[i]) {
			ports = appendHostPorts(ports, &pod.Spec.InitContainers[i])
		}
	}
	return ports
}

func appendHostPorts(ports []HostPort, container *v1.Container) []HostPort {
	for i := range container.Ports {
		p := &container.Ports[i]
		if p.HostPort <= 0 {
			continue
		}
		port := HostPort{IP: p.HostIP, Protocol: p.Protocol, Port: p.HostPort}
		if port.IP == "" {
			port.IP = anyAddress
		}
		if port.Protocol == "" {
			port.Protocol = v1.ProtocolTCP
		}
		ports = append(ports, port)
	}
	return ports
}
