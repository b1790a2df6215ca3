package tables

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// shown is how many addresses or ports a cell lists before "+ n more...".
const shown = 3

func (t *Tables) addNetwork(now func() time.Time) {
	spec := corev1.ServiceSpec{}.SwaggerDoc()
	add(t, now, "", "services", []metav1.TableColumnDefinition{
		nameColumn(),
		text("Type", spec["type"]),
		text("Cluster-IP", spec["clusterIP"]),
		text("External-IP", spec["externalIPs"]),
		text("Port(s)", spec["ports"]),
		ageColumn(),
		wide("Selector", spec["selector"]),
	}, serviceRow)
	add(t, now, "", "endpoints", []metav1.TableColumnDefinition{
		nameColumn(),
		text("Endpoints", corev1.Endpoints{}.SwaggerDoc()["subsets"]),
		ageColumn(),
	}, func(e *corev1.Endpoints, now time.Time) row {
		return cells(e.Name, endpointsCell(e), since(e.CreationTimestamp, now))
	})
	slice := discoveryv1.EndpointSlice{}.SwaggerDoc()
	add(t, now, "discovery.k8s.io", "endpointslices", []metav1.TableColumnDefinition{
		nameColumn(),
		text("AddressType", slice["addressType"]),
		text("Ports", slice["ports"]),
		text("Endpoints", slice["endpoints"]),
		ageColumn(),
	}, func(s *discoveryv1.EndpointSlice, now time.Time) row {
		return cells(s.Name, string(s.AddressType), slicePorts(s.Ports), sliceAddresses(s.Endpoints),
			since(s.CreationTimestamp, now))
	})
}

func serviceRow(s *corev1.Service, now time.Time) row {
	clusterIP := "<none>"
	if len(s.Spec.ClusterIPs) > 0 {
		clusterIP = s.Spec.ClusterIPs[0]
	}
	return cells(s.Name, string(s.Spec.Type), clusterIP, externalIP(s), orNone(servicePorts(s.Spec.Ports)),
		since(s.CreationTimestamp, now), labels.FormatLabels(s.Spec.Selector))
}

func externalIP(s *corev1.Service) string {
	own := strings.Join(s.Spec.ExternalIPs, ",")
	switch s.Spec.Type {
	case corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort:
		return orNone(own)
	case corev1.ServiceTypeLoadBalancer:
		return or(strings.Trim(loadBalancer(s)+","+own, ","), "<pending>")
	case corev1.ServiceTypeExternalName:
		return s.Spec.ExternalName
	default:
		return "<unknown>"
	}
}

func loadBalancer(s *corev1.Service) string {
	var addresses []string
	for _, in := range s.Status.LoadBalancer.Ingress {
		if a := or(in.IP, in.Hostname); a != "" {
			addresses = append(addresses, a)
		}
	}
	slices.Sort(addresses)
	return strings.Join(slices.Compact(addresses), ",")
}

func servicePorts(ports []corev1.ServicePort) string {
	list := make([]string, len(ports))
	for i, p := range ports {
		if p.NodePort > 0 {
			list[i] = fmt.Sprintf("%d:%d/%s", p.Port, p.NodePort, p.Protocol)
		} else {
			list[i] = fmt.Sprintf("%d/%s", p.Port, p.Protocol)
		}
	}
	return strings.Join(list, ",")
}

func endpointsCell(e *corev1.Endpoints) string {
	if len(e.Subsets) == 0 {
		return "<none>"
	}
	var list []string
	for _, s := range e.Subsets {
		for _, p := range s.Ports {
			for _, a := range s.Addresses {
				list = append(list, net.JoinHostPort(a.IP, strconv.Itoa(int(p.Port))))
			}
		}
		if len(s.Ports) == 0 {
			for _, a := range s.Addresses {
				list = append(list, a.IP)
			}
		}
	}
	return firstOf(list, "")
}

func slicePorts(ports []discoveryv1.EndpointPort) string {
	var list []string
	for _, p := range ports {
		switch {
		case p.Port != nil:
			list = append(list, strconv.Itoa(int(*p.Port)))
		case p.Name != nil:
			list = append(list, *p.Name)
		default:
			list = append(list, "*")
		}
	}
	return firstOf(list, "<unset>")
}

func sliceAddresses(endpoints []discoveryv1.Endpoint) string {
	var list []string
	for _, e := range endpoints {
		list = append(list, e.Addresses...)
	}
	return firstOf(list, "<unset>")
}

// firstOf lists the first few values and counts the others.
func firstOf(list []string, none string) string {
	if len(list) > shown {
		return fmt.Sprintf("%s + %d more...", strings.Join(list[:shown], ","), len(list)-shown)
	}
	return or(strings.Join(list, ","), none)
}
