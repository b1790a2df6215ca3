package endpoints

import (
	"bytes"
	"context"
	"maps"
	"net"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

const (
	managedByLabel  = "endpoints.kubernetes.io/managed-by"
	endpointManager = "endpoint-controller"
	// maxAddresses is the most that an Endpoints object may have.
	maxAddresses = 1000
	truncated    = "truncated"
)

// reconcileEndpoints writes the Endpoints object of a service.
func (c *Controller) reconcileEndpoints(ctx context.Context, key string) error {
	namespace, name := reconcile.SplitKey(key)
	s, err := c.services.Services(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return c.removeEndpoints(ctx, namespace, name)
	}
	if err != nil || !selects(s) {
		return err
	}
	pods, err := c.selected(s)
	if err != nil {
		return err
	}
	known, err := c.endpoints.Endpoints(namespace).Get(name)
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	wanted := c.endpointsFor(s, pods)
	if known == nil {
		return c.createEndpoints(ctx, s, wanted)
	}
	return c.updateEndpoints(ctx, s, known, wanted)
}

// removeEndpoints removes what was written for a service that is gone. What was
// written by hand stays.
func (c *Controller) removeEndpoints(ctx context.Context, namespace, name string) error {
	known, err := c.endpoints.Endpoints(namespace).Get(name)
	if err != nil || known.Labels[managedByLabel] != endpointManager {
		return ignoreNotFound(err)
	}
	return ignoreNotFound(c.client.CoreV1().Endpoints(namespace).Delete(ctx, name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(known.UID))}))
}

func (c *Controller) endpointsFor(s *corev1.Service, pods []*corev1.Pod) *corev1.Endpoints {
	e := &corev1.Endpoints{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name, Labels: map[string]string{}, Annotations: map[string]string{}},
		Subsets:    subsets(s, pods),
	}
	maps.Copy(e.Labels, s.Labels)
	e.Labels[managedByLabel] = endpointManager
	if isHeadless(s) {
		e.Labels[corev1.IsHeadlessService] = ""
	} else {
		delete(e.Labels, corev1.IsHeadlessService)
	}
	if truncate(e.Subsets) {
		e.Annotations[corev1.EndpointsOverCapacity] = truncated
	}
	if at := c.triggers.changed("endpoints", s, pods); !at.IsZero() {
		e.Annotations[corev1.EndpointsLastChangeTriggerTime] = at.UTC().Format(time.RFC3339Nano)
	}
	return e
}

// subsets groups the pods' addresses by the ports that they have.
func subsets(s *corev1.Service, pods []*corev1.Pod) []corev1.EndpointSubset {
	byPorts := map[string]*corev1.EndpointSubset{}
	for _, pod := range pods {
		ip := addressOf(pod, families(s)[0])
		ports := portsOf(pod, s)
		headless := len(s.Spec.Ports) == 0 && s.Spec.ClusterIP == corev1.ClusterIPNone
		if ip == "" || len(ports) == 0 && !headless || pod.DeletionTimestamp != nil && !s.Spec.PublishNotReadyAddresses {
			continue
		}
		key := portsKey(ports)
		if byPorts[key] == nil {
			byPorts[key] = &corev1.EndpointSubset{Ports: endpointPorts(ports)}
		}
		address := corev1.EndpointAddress{IP: ip, Hostname: hostnameOf(pod, s), TargetRef: targetOf(pod)}
		if node := pod.Spec.NodeName; node != "" {
			address.NodeName = &node
		}
		if subset := byPorts[key]; s.Spec.PublishNotReadyAddresses || podutil.IsReady(pod) {
			subset.Addresses = append(subset.Addresses, address)
		} else {
			subset.NotReadyAddresses = append(subset.NotReadyAddresses, address)
		}
	}
	var all []corev1.EndpointSubset
	for _, key := range slices.Sorted(maps.Keys(byPorts)) {
		slices.SortFunc(byPorts[key].Addresses, byIP)
		slices.SortFunc(byPorts[key].NotReadyAddresses, byIP)
		all = append(all, *byPorts[key])
	}
	return all
}

func byIP(a, b corev1.EndpointAddress) int {
	return bytes.Compare(net.ParseIP(a.IP).To16(), net.ParseIP(b.IP).To16())
}

func endpointPorts(ports []port) []corev1.EndpointPort {
	var all []corev1.EndpointPort
	for _, p := range ports {
		all = append(all, corev1.EndpointPort{Name: p.name, Port: p.number, Protocol: p.protocol, AppProtocol: p.appProtocol})
	}
	return all
}

// truncate takes away what is above maxAddresses, addresses that are not ready
// first, and says whether there was any.
func truncate(all []corev1.EndpointSubset) bool {
	surplus := -maxAddresses
	for _, s := range all {
		surplus += len(s.Addresses) + len(s.NotReadyAddresses)
	}
	over := surplus > 0
	for _, of := range []func(*corev1.EndpointSubset) *[]corev1.EndpointAddress{
		func(s *corev1.EndpointSubset) *[]corev1.EndpointAddress { return &s.NotReadyAddresses },
		func(s *corev1.EndpointSubset) *[]corev1.EndpointAddress { return &s.Addresses },
	} {
		for i := range all {
			list := of(&all[i])
			n := min(max(surplus, 0), len(*list))
			*list, surplus = (*list)[:len(*list)-n], surplus-n
		}
	}
	return over
}

func (c *Controller) createEndpoints(ctx context.Context, s *corev1.Service, wanted *corev1.Endpoints) error {
	_, err := c.client.CoreV1().Endpoints(s.Namespace).Create(ctx, wanted, metav1.CreateOptions{})
	if err == nil || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return nil
	}
	if !apierrors.IsAlreadyExists(err) {
		c.events.Eventf(wanted, corev1.EventTypeWarning, "FailedToCreateEndpoint", "Failed to create endpoint for service %v/%v: %v", s.Namespace, s.Name, err)
	}
	return err
}

// updateEndpoints writes only what has changed. The time of the trigger alone is
// no change.
func (c *Controller) updateEndpoints(ctx context.Context, s *corev1.Service, known, wanted *corev1.Endpoints) error {
	_, knownOver := known.Annotations[corev1.EndpointsOverCapacity]
	_, over := wanted.Annotations[corev1.EndpointsOverCapacity]
	if equality.Semantic.DeepEqual(known.Subsets, wanted.Subsets) && maps.Equal(known.Labels, wanted.Labels) && knownOver == over {
		return nil
	}
	updated := known.DeepCopy()
	updated.Subsets, updated.Labels = wanted.Subsets, wanted.Labels
	if updated.Annotations == nil {
		updated.Annotations = map[string]string{}
	}
	delete(updated.Annotations, corev1.EndpointsOverCapacity)
	delete(updated.Annotations, corev1.EndpointsLastChangeTriggerTime)
	maps.Copy(updated.Annotations, wanted.Annotations)
	_, err := c.client.CoreV1().Endpoints(s.Namespace).Update(ctx, updated, metav1.UpdateOptions{})
	if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
		c.events.Eventf(known, corev1.EventTypeWarning, "FailedToUpdateEndpoint", "Failed to update endpoint %v/%v: %v", s.Namespace, s.Name, err)
	}
	return err
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
