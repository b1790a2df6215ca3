package loadbalancer

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
)

// compareAge puts older services first, and tells any two apart.
func compareAge(a, b *corev1.Service) int {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.UID, b.UID))
}

// isCandidate: clients may be sent to the node.
func isCandidate(n *corev1.Node) bool {
	if _, excluded := n.Labels[corev1.LabelNodeExcludeBalancers]; excluded || n.DeletionTimestamp != nil {
		return false
	}
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// addressesOf are the node's external addresses, or else its internal ones.
func addressesOf(n *corev1.Node) []netip.Addr {
	var found []netip.Addr
	for _, kind := range []corev1.NodeAddressType{corev1.NodeExternalIP, corev1.NodeInternalIP} {
		for _, a := range n.Status.Addresses {
			if address, err := netip.ParseAddr(a.Address); err == nil && a.Type == kind {
				found = append(found, address)
			}
		}
		if len(found) > 0 {
			break
		}
	}
	return found
}

// hasFamily: a service without families, as none is stored, would have IPv4.
func hasFamily(s *corev1.Service, address netip.Addr) bool {
	family := corev1.IPv6Protocol
	if address.Is4() {
		family = corev1.IPv4Protocol
	}
	return slices.Contains(s.Spec.IPFamilies, family) || len(s.Spec.IPFamilies) == 0 && address.Is4()
}

// nodesFor are the addresses of the nodes for a service, sorted. A port can lead
// to one service only; the oldest keeps it.
func (c *Controller) nodesFor(s *corev1.Service) ([]netip.Addr, *problem) {
	if p := c.portTaken(s); p != nil {
		return nil, p
	}
	all, err := c.nodes.List(labels.Everything())
	if err != nil {
		return nil, nil // a cache has no errors
	}
	local := c.nodesWithEndpoints(s)
	var addresses []netip.Addr
	for _, n := range all {
		if isCandidate(n) && (local == nil || local[n.Name]) {
			addresses = append(addresses, addressesOf(n)...)
		}
	}
	addresses = slices.DeleteFunc(addresses, func(a netip.Addr) bool { return !hasFamily(s, a) })
	slices.SortFunc(addresses, netip.Addr.Compare)
	addresses = slices.Compact(addresses)
	if len(addresses) == 0 && local == nil {
		return nil, &problem{"UnAvailableLoadBalancer", "There are no available nodes for LoadBalancer"}
	}
	return addresses, nil
}

func (c *Controller) portTaken(s *corev1.Service) *problem {
	for _, port := range s.Spec.Ports {
		if port.Protocol != corev1.ProtocolUDP && slices.Contains(c.o.NodePorts, port.Port) {
			return &problem{"PortConflict", fmt.Sprintf("Port %d is needed by the nodes themselves", port.Port)}
		}
	}
	for _, other := range c.ours() {
		if other.UID == s.UID {
			return nil
		}
		for _, port := range s.Spec.Ports {
			if slices.ContainsFunc(other.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == port.Port && p.Protocol == port.Protocol }) {
				return &problem{"PortConflict", fmt.Sprintf("Port %d/%s of the nodes leads to service %s/%s already", port.Port, port.Protocol, other.Namespace, other.Name)}
			}
		}
	}
	return nil
}

// nodesWithEndpoints is nil when every node may take the service's clients.
func (c *Controller) nodesWithEndpoints(s *corev1.Service) map[string]bool {
	if s.Spec.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal {
		return nil
	}
	names := map[string]bool{}
	found, err := c.slices.EndpointSlices(s.Namespace).List(labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: s.Name}))
	if err != nil {
		return names
	}
	for _, slice := range found {
		for _, e := range slice.Endpoints {
			if e.NodeName != nil && ptr.Deref(e.Conditions.Ready, true) {
				names[*e.NodeName] = true
			}
		}
	}
	return names
}
