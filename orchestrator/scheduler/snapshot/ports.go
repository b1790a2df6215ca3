package snapshot

import v1 "k8s.io/api/core/v1"

// anyAddress stands for every address of the node.
const anyAddress = "0.0.0.0"

// Port is a port of the node that a container takes.
type Port struct {
	IP       string
	Protocol v1.Protocol
	Number   int32
}

// Overlaps says whether two pods cannot have these two at once.
func (p Port) Overlaps(o Port) bool {
	return p.Number == o.Number && p.Protocol == o.Protocol &&
		(p.IP == o.IP || p.IP == anyAddress || o.IP == anyAddress)
}

// Ports counts the pods that have a port.
type Ports map[Port]int

// Taken says whether any of the wanted ports is in use.
func (u Ports) Taken(wanted []Port) bool {
	if len(u) == 0 || len(wanted) == 0 {
		return false
	}
	for used, n := range u {
		for _, w := range wanted {
			if n > 0 && used.Overlaps(w) {
				return true
			}
		}
	}
	return false
}

func (u Ports) add(ports []Port, delta int) {
	for _, p := range ports {
		if u[p] += delta; u[p] <= 0 {
			delete(u, p)
		}
	}
}

// hostPorts lists the host ports of the containers and sidecars.
func hostPorts(pod *v1.Pod) []Port {
	var ports []Port
	for i := range pod.Spec.InitContainers {
		if isSidecar(&pod.Spec.InitContainers[i]) {
			ports = appendPorts(ports, &pod.Spec.InitContainers[i])
		}
	}
	for i := range pod.Spec.Containers {
		ports = appendPorts(ports, &pod.Spec.Containers[i])
	}
	return ports
}

func appendPorts(ports []Port, c *v1.Container) []Port {
	for _, p := range c.Ports {
		if p.HostPort <= 0 {
			continue
		}
		port := Port{IP: p.HostIP, Protocol: p.Protocol, Number: p.HostPort}
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

func isSidecar(c *v1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == v1.ContainerRestartPolicyAlways
}
