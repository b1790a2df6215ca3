package endpoints

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// Who manages a slice, in its label.
const (
	sliceManager  = "endpointslice-controller.k8s.io"
	mirrorManager = "endpointslicemirroring-controller.k8s.io"
)

// maxEndpoints is the most that a slice of a service has.
const maxEndpoints = 100

// reconcileSlices writes the slices of a service.
func (c *Controller) reconcileSlices(ctx context.Context, key string) error {
	namespace, name := reconcile.SplitKey(key)
	s, err := c.services.Services(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		c.created.Forget(sliceManager + "/" + key)
		return nil // its slices are garbage
	}
	if err != nil || !selects(s) || s.DeletionTimestamp != nil {
		return err
	}
	pods, err := c.selected(s)
	if err != nil {
		return err
	}
	groups := c.groups(s, pods)
	if len(groups) == 0 { // one empty slice says that there are none
		groups = []group{{family: families(s)[0]}}
	}
	return c.writeSlices(ctx, c.slice, request{
		owner: metav1.NewControllerRef(s, corev1.SchemeGroupVersion.WithKind("Service")), manager: sliceManager,
		key: key, max: c.max, labels: sliceLabels(s), annotations: c.trigger(s, pods), groups: groups,
	})
}

func sliceLabels(s *corev1.Service) map[string]string {
	set := map[string]string{}
	maps.Copy(set, s.Labels)
	delete(set, corev1.IsHeadlessService)
	if isHeadless(s) {
		set[corev1.IsHeadlessService] = ""
	}
	set[discoveryv1.LabelServiceName], set[discoveryv1.LabelManagedBy] = s.Name, sliceManager
	return set
}

func (c *Controller) trigger(s *corev1.Service, pods []*corev1.Pod) map[string]string {
	at := c.triggers.changed("slices", s, pods)
	if at.IsZero() {
		return nil
	}
	return map[string]string{corev1.EndpointsLastChangeTriggerTime: at.UTC().Format(time.RFC3339Nano)}
}

// group is the endpoints that can share slices: of one family, with the same
// ports.
type group struct {
	family    discoveryv1.AddressType
	ports     []port
	endpoints []discoveryv1.Endpoint
}

func (g *group) key() string { return string(g.family) + " " + portsKey(g.ports) }

func (c *Controller) groups(s *corev1.Service, pods []*corev1.Pod) []group {
	byKey := map[string]*group{}
	for _, family := range families(s) {
		for _, pod := range pods {
			ip := addressOf(pod, family)
			if ip == "" {
				continue
			}
			g := group{family: family, ports: portsOf(pod, s)}
			if byKey[g.key()] == nil {
				byKey[g.key()] = &g
			}
			known := byKey[g.key()]
			known.endpoints = append(known.endpoints, c.endpoint(s, pod, ip))
		}
	}
	var all []group
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		all = append(all, *byKey[key])
	}
	return all
}

func (c *Controller) endpoint(s *corev1.Service, pod *corev1.Pod, ip string) discoveryv1.Endpoint {
	serving, terminating := podutil.IsReady(pod), pod.DeletionTimestamp != nil
	ready := s.Spec.PublishNotReadyAddresses || serving && !terminating
	e := discoveryv1.Endpoint{
		Addresses: []string{ip}, TargetRef: targetOf(pod),
		Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &serving, Terminating: &terminating},
	}
	if name := pod.Spec.NodeName; name != "" {
		e.NodeName = &name
		if node, err := c.nodes.Get(name); err == nil && node.Labels[corev1.LabelTopologyZone] != "" {
			zone := node.Labels[corev1.LabelTopologyZone]
			e.Zone = &zone
		}
	}
	if hostname := hostnameOf(pod, s); hostname != "" {
		e.Hostname = &hostname
	}
	return e
}

func slicePorts(ports []port) []discoveryv1.EndpointPort {
	all := []discoveryv1.EndpointPort{}
	for _, p := range ports {
		all = append(all, discoveryv1.EndpointPort{Name: &p.name, Port: &p.number, Protocol: &p.protocol, AppProtocol: p.appProtocol})
	}
	return all
}

// groupOf is the group that a slice holds endpoints of.
func groupOf(s *discoveryv1.EndpointSlice) string {
	g := group{family: s.AddressType}
	for _, p := range s.Ports {
		g.ports = append(g.ports, port{deref(p.Name), deref(p.Protocol), deref(p.Port), p.AppProtocol})
	}
	slices.SortFunc(g.ports, comparePorts)
	return g.key()
}

func deref[T any](p *T) (value T) {
	if p != nil {
		return *p
	}
	return value
}

// managed are the slices of a service that one manager has, by name.
func (c *Controller) managed(service, manager string) []*discoveryv1.EndpointSlice {
	all := slices.DeleteFunc(c.sliceOf.OfService(service), func(s *discoveryv1.EndpointSlice) bool {
		return s.Labels[discoveryv1.LabelManagedBy] != manager
	})
	slices.SortFunc(all, func(a, b *discoveryv1.EndpointSlice) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
