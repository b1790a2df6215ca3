package apiserver

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/apiserver/access"
	"github.com/lubberline/lubberline/orchestrator/apiserver/admission"
	"github.com/lubberline/lubberline/orchestrator/storageclass"
)

// systemNamespaces are there before the server is ready.
func systemNamespaces() []string {
	return []string{metav1.NamespaceDefault, metav1.NamespaceSystem, metav1.NamespacePublic, corev1.NamespaceNodeLease}
}

// bootstrap makes the objects without which a cluster is none. What is there
// already stays as it is.
func (s *Server) bootstrap(ctx context.Context) error {
	for _, name := range systemNamespaces() {
		if err := s.ensureNamespace(ctx, name); err != nil {
			return fmt.Errorf("namespace %s: %w", name, err)
		}
	}
	for _, class := range admission.SystemPriorityClasses() {
		if err := s.ensurePriorityClass(ctx, class); err != nil {
			return fmt.Errorf("priority class %s: %w", class.Name, err)
		}
	}
	if err := s.ensureStorageClass(ctx); err != nil {
		return fmt.Errorf("storage class %s: %w", storageclass.LocalPath, err)
	}
	if err := s.ensureRoles(ctx); err != nil {
		return err
	}
	return reconcileKubernetesService(ctx, s.client, s.endpoint())
}

func (s *Server) ensureNamespace(ctx context.Context, name string) error {
	all := s.client.CoreV1().Namespaces()
	_, err := all.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = all.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	}
	return expected(err)
}

func (s *Server) ensurePriorityClass(ctx context.Context, class *schedulingv1.PriorityClass) error {
	all := s.client.SchedulingV1().PriorityClasses()
	_, err := all.Get(ctx, class.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = all.Create(ctx, class, metav1.CreateOptions{})
	}
	return expected(err)
}

// ensureStorageClass makes the one class that is always there.
func (s *Server) ensureStorageClass(ctx context.Context) error {
	all := s.client.StorageV1().StorageClasses()
	_, err := all.Get(ctx, storageclass.LocalPath, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = all.Create(ctx, storageclass.Default(), metav1.CreateOptions{})
	}
	return expected(err)
}

// ensureRoles makes the roles that are there from the start. One that somebody
// has changed stays as it is.
func (s *Server) ensureRoles(ctx context.Context) error {
	roles, bindings := s.client.RbacV1().ClusterRoles(), s.client.RbacV1().ClusterRoleBindings()
	for _, role := range access.ClusterRoles() {
		_, err := roles.Get(ctx, role.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			_, err = roles.Create(ctx, role, metav1.CreateOptions{})
		}
		if err := expected(err); err != nil {
			return fmt.Errorf("cluster role %s: %w", role.Name, err)
		}
	}
	for _, binding := range access.ClusterRoleBindings() {
		_, err := bindings.Get(ctx, binding.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			_, err = bindings.Create(ctx, binding, metav1.CreateOptions{})
		}
		if err := expected(err); err != nil {
			return fmt.Errorf("cluster role binding %s: %w", binding.Name, err)
		}
	}
	return nil
}

// expected is nil when the object is there already.
func expected(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

const (
	bootstrapRetry  = 100 * time.Millisecond
	reconcilePeriod = 10 * time.Second
	// repairPeriod is longer than any write takes.
	repairPeriod = 5 * time.Minute
)

// startBootstrap is a hook of the library: the server is ready after it. An
// error of a hook would end the process, so it tries until it works.
func (s *Server) startBootstrap(ctx context.Context) error {
	for {
		err := s.bootstrap(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was ended
		}
		s.log.Warn("system objects cannot be made yet", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(bootstrapRetry):
		}
	}
	go s.keepBootstrapped(ctx)
	return nil
}

// keepBootstrapped makes again what somebody deleted or changed.
func (s *Server) keepBootstrapped(ctx context.Context) {
	ticks := time.NewTicker(reconcilePeriod)
	defer ticks.Stop()
	repairs := time.NewTicker(repairPeriod)
	defer repairs.Stop()
	var changed <-chan struct{}
	if s.options.Servers != nil {
		changed = s.options.Servers.Changed()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		case <-changed:
		case <-repairs.C:
			if err := s.stores.Repair(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("addresses of services are not looked through", "error", err)
			}
		}
		if err := s.bootstrap(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("system objects are not all there", "error", err)
		}
	}
}
