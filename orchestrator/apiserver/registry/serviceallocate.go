package registry

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/endpoints/request"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/util/dryrun"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

// serviceHooks give services their addresses and ports, around their storing.
type serviceHooks struct {
	store     *genericregistry.Store
	addresses *serviceAddresses
}

// hookServices adds the hooks to the services' store.
func hookServices(s *genericregistry.Store, e *Environment) error {
	h := &serviceHooks{store: s, addresses: newServiceAddresses(e)}
	e.Repair = func(ctx context.Context) error { return h.addresses.repair(ctx, s) }
	s.BeginCreate = func(ctx context.Context, obj runtime.Object, options *metav1.CreateOptions) (genericregistry.FinishFunc, error) {
		return h.begin(ctx, obj.(*corev1.Service), nil, dryrun.IsDryRun(options.DryRun))
	}
	s.BeginUpdate = func(ctx context.Context, obj, old runtime.Object, options *metav1.UpdateOptions) (genericregistry.FinishFunc, error) {
		if info, ok := request.RequestInfoFrom(ctx); ok && info.Subresource != "" {
			return func(context.Context, bool) {}, nil
		}
		return h.begin(ctx, obj.(*corev1.Service), old.(*corev1.Service), dryrun.IsDryRun(options.DryRun))
	}
	s.AfterDelete = func(obj runtime.Object, options *metav1.DeleteOptions) {
		if s, ok := obj.(*corev1.Service); ok && (options == nil || !dryrun.IsDryRun(options.DryRun)) {
			h.addresses.release(claimsOf(s), string(s.UID))
		}
	}
	return returnDeleted(s, e)
}

// begin completes the service and takes what it needs. When the write is done
// what it no longer has is given back, or when it fails what was taken.
func (h *serviceHooks) begin(ctx context.Context, s, old *corev1.Service, dry bool) (genericregistry.FinishFunc, error) {
	completeService(s, old)
	if err := h.setFamilies(s, old); err != nil {
		return nil, err
	}
	taken, err := h.take(ctx, s, old)
	if err != nil {
		return nil, err
	}
	if dry {
		h.addresses.release(taken, string(s.UID))
		return func(context.Context, bool) {}, nil
	}
	return func(ctx context.Context, success bool) {
		switch {
		case !success:
			h.undo(ctx, s, taken)
		case old != nil:
			h.addresses.release(lost(claimsOf(old), claimsOf(s)), string(s.UID))
		}
	}, nil
}

// undo gives back what a failed write took, unless the store has it after all,
// as may be when the answer was lost. What is not sure stays taken.
func (h *serviceHooks) undo(ctx context.Context, s *corev1.Service, taken claims) {
	if len(taken.ips) == 0 && len(taken.ports) == 0 {
		return
	}
	obj, err := h.store.Get(context.WithoutCancel(ctx), s.Name, &metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err) || s.Name == "":
		h.addresses.release(taken, string(s.UID))
	case err == nil:
		kept := obj.(*corev1.Service)
		if kept.UID != s.UID { // another one of that name
			kept = &corev1.Service{}
		}
		h.addresses.release(lost(taken, claimsOf(kept)), string(s.UID))
	}
}

// lost are the claims that are not among those kept.
func lost(c, kept claims) (gone claims) {
	for _, ip := range c.ips {
		if !slices.Contains(kept.ips, ip) {
			gone.ips = append(gone.ips, ip)
		}
	}
	for _, port := range c.ports {
		if !slices.Contains(kept.ports, port) {
			gone.ports = append(gone.ports, port)
		}
	}
	return gone
}

// take takes the addresses and ports that the service has to get or names, and
// old has not. It takes all or none.
func (h *serviceHooks) take(ctx context.Context, s, old *corev1.Service) (taken claims, err error) {
	var have claims
	if old != nil {
		have = claimsOf(old)
	}
	h.addresses.mu.Lock()
	err = h.addresses.load(ctx, h.store)
	if err == nil {
		err = h.takeAll(taking{h.addresses, ctx, string(s.UID)}, s, have, &taken)
	}
	h.addresses.mu.Unlock()
	if err != nil {
		h.addresses.release(taken, string(s.UID))
		return claims{}, err
	}
	return taken, nil
}

func (h *serviceHooks) takeAll(t taking, s *corev1.Service, have claims, taken *claims) error {
	if s.Spec.Type != corev1.ServiceTypeExternalName && s.Spec.ClusterIP != corev1.ClusterIPNone {
		if err := h.takeIPs(t, s, have, taken); err != nil {
			return err
		}
	}
	if needsNodePort(s) {
		if err := h.takePorts(t, s, have, taken); err != nil {
			return err
		}
	}
	if !validation.NeedsHealthCheck(s) {
		return nil
	}
	return h.takeHealthPort(t, s, have, taken)
}

func (h *serviceHooks) takeIPs(t taking, s *corev1.Service, have claims, taken *claims) error {
	if len(s.Spec.ClusterIPs) == 0 {
		ip, err := t.nextIP()
		if err != nil {
			return apierrors.NewInternalError(fmt.Errorf("failed to allocate a serviceIP: %w", err))
		}
		taken.ips = append(taken.ips, ip)
		s.Spec.ClusterIP, s.Spec.ClusterIPs = ip.String(), []string{ip.String()}
		return nil
	}
	for _, text := range s.Spec.ClusterIPs {
		ip, ok := parseIP(text)
		if !ok {
			return apierrors.NewInternalError(fmt.Errorf("failed to parse service IP %q", text))
		}
		if slices.Contains(have.ips, ip) {
			continue
		}
		if err := t.takeIP(ip); err != nil {
			return invalidService(s, field.Invalid(field.NewPath("spec", "clusterIPs"), s.Spec.ClusterIPs,
				fmt.Sprintf("failed to allocate IP %v: %v", text, err)))
		}
		taken.ips = append(taken.ips, ip)
	}
	return nil
}

// takePorts gives each port a node port. Ports of one number, but different
// protocols, share one.
func (h *serviceHooks) takePorts(t taking, s *corev1.Service, have claims, taken *claims) error {
	named := map[int32]int32{} // node ports that the client names, by port
	for _, p := range s.Spec.Ports {
		if _, first := named[p.Port]; !first && p.NodePort != 0 {
			named[p.Port] = p.NodePort
		}
	}
	for i := range s.Spec.Ports {
		p := &s.Spec.Ports[i]
		if p.NodePort == 0 {
			if s.Spec.AllocateLoadBalancerNodePorts != nil && !*s.Spec.AllocateLoadBalancerNodePorts {
				continue
			}
			p.NodePort = named[p.Port]
		}
		if p.NodePort == 0 {
			port, err := t.nextPort()
			if err != nil {
				return apierrors.NewInternalError(fmt.Errorf("failed to allocate a nodePort: %w", err))
			}
			taken.ports = append(taken.ports, port)
			p.NodePort, named[p.Port] = port, port
			continue
		}
		if slices.Contains(have.ports, p.NodePort) || slices.Contains(taken.ports, p.NodePort) {
			continue
		}
		if err := t.takePort(p.NodePort); err != nil {
			return invalidService(s, field.Invalid(field.NewPath("spec", "ports").Index(i).Child("nodePort"), p.NodePort, err.Error()))
		}
		taken.ports = append(taken.ports, p.NodePort)
	}
	return nil
}

func (h *serviceHooks) takeHealthPort(t taking, s *corev1.Service, have claims, taken *claims) error {
	port := s.Spec.HealthCheckNodePort
	switch {
	case port == 0:
		next, err := t.nextPort()
		if err != nil {
			return apierrors.NewInternalError(fmt.Errorf("failed to allocate a HealthCheck NodePort %v: %w", port, err))
		}
		s.Spec.HealthCheckNodePort, port = next, next
	case slices.Contains(have.ports, port):
		return nil
	default:
		if err := t.takePort(port); err != nil {
			return apierrors.NewInternalError(fmt.Errorf("failed to allocate requested HealthCheck NodePort %v: %w", port, err))
		}
	}
	taken.ports = append(taken.ports, port)
	return nil
}

func invalidService(s *corev1.Service, errs ...*field.Error) error {
	return apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("Service").GroupKind(), s.Name, errs)
}
