package endpoints

import (
	"context"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	utilnet "k8s.io/utils/net"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
)

// reconcileMirror writes slices for Endpoints that belong to a service without a
// selector.
func (c *Controller) reconcileMirror(ctx context.Context, key string) error {
	namespace, name := reconcile.SplitKey(key)
	e, err := c.endpoints.Endpoints(namespace).Get(name)
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	if e == nil || !c.isMirrored(e) {
		return c.removeMirror(ctx, namespace, name)
	}
	set := map[string]string{}
	maps.Copy(set, e.Labels)
	set[discoveryv1.LabelServiceName], set[discoveryv1.LabelManagedBy] = name, mirrorManager
	annotations := maps.Clone(e.Annotations)
	delete(annotations, corev1.EndpointsLastChangeTriggerTime)
	delete(annotations, corev1.LastAppliedConfigAnnotation)
	return c.writeSlices(ctx, c.mirror, request{
		owner: metav1.NewControllerRef(e, corev1.SchemeGroupVersion.WithKind("Endpoints")), manager: mirrorManager,
		key: key, max: maxAddresses, labels: set, annotations: annotations, groups: mirrored(e),
	})
}

func (c *Controller) isMirrored(e *corev1.Endpoints) bool {
	_, election := e.Annotations[resourcelock.LeaderElectionRecordAnnotationKey]
	if election || e.Labels[discoveryv1.LabelSkipMirror] == "true" || e.DeletionTimestamp != nil {
		return false
	}
	s, err := c.services.Services(e.Namespace).Get(e.Name)
	return err == nil && s.Spec.Selector == nil
}

func (c *Controller) removeMirror(ctx context.Context, namespace, name string) error {
	for _, s := range c.managed(namespace+"/"+name, mirrorManager) {
		err := c.client.DiscoveryV1().EndpointSlices(namespace).Delete(ctx, s.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(s.UID))})
		if ignoreNotFound(err) != nil {
			return err
		}
	}
	c.created.Forget(mirrorManager + "/" + namespace + "/" + name)
	return nil
}

// mirrored leaves out what is no IP address.
func mirrored(e *corev1.Endpoints) []group {
	byKey := map[string]*group{}
	for i := range e.Subsets {
		subset := &e.Subsets[i]
		var ports []port
		for _, p := range subset.Ports {
			ports = append(ports, port{p.Name, p.Protocol, p.Port, p.AppProtocol})
		}
		slices.SortFunc(ports, comparePorts)
		add := func(addresses []corev1.EndpointAddress, ready bool) {
			for _, address := range addresses {
				mirrorAddress(byKey, ports, address, ready)
			}
		}
		add(subset.Addresses, true)
		add(subset.NotReadyAddresses, false)
	}
	var all []group
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		all = append(all, *byKey[key])
	}
	return all
}

func mirrorAddress(byKey map[string]*group, ports []port, address corev1.EndpointAddress, ready bool) {
	g := group{family: discoveryv1.AddressTypeIPv4, ports: ports}
	switch {
	case utilnet.IsIPv6String(address.IP):
		g.family = discoveryv1.AddressTypeIPv6
	case utilnet.ParseIPSloppy(address.IP) == nil:
		return
	}
	if byKey[g.key()] == nil {
		byKey[g.key()] = &g
	}
	e := discoveryv1.Endpoint{
		Addresses: []string{utilnet.ParseIPSloppy(address.IP).String()}, Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		TargetRef: address.TargetRef, NodeName: address.NodeName,
	}
	if address.Hostname != "" {
		e.Hostname = &address.Hostname
	}
	known := byKey[g.key()]
	known.endpoints = append(known.endpoints, e)
}
