package apiserver

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
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
		if err := ensure(ctx, s.client.CoreV1().Namespaces(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return fmt.Errorf("namespace %s: %w", name, err)
		}
	}
	for _, class := range admission.SystemPriorityClasses() {
		if err := ensure(ctx, s.client.SchedulingV1().PriorityClasses(), class); err != nil {
			return fmt.Errorf("priority class %s: %w", class.Name, err)
		}
	}
	if err := ensure(ctx, s.client.StorageV1().StorageClasses(), storageclass.Default()); err != nil {
		return fmt.Errorf("storage class %s: %w", storageclass.LocalPath, err)
	}
	if err := s.ensureRoles(ctx); err != nil {
		return err
	}
	return reconcileKubernetesService(ctx, s.client, s.endpoint())
}

// client reads and makes objects of a kind.
type client[T metav1.Object] interface {
	Get(ctx context.Context, name string, o metav1.GetOptions) (T, error)
	Create(ctx context.Context, object T, o metav1.CreateOptions) (T, error)
}

// ensure makes the object unless there is one of its name.
func ensure[T metav1.Object](ctx context.Context, all client[T], object T) error {
	_, err := all.Get(ctx, object.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = all.Create(ctx, object, metav1.CreateOptions{})
	}
	return expected(err)
}

// ensureRoles makes the roles that are there from the start. One that somebody
// has changed stays as it is.
func (s *Server) ensureRoles(ctx context.Context) error {
	for _, role := range access.ClusterRoles() {
		if err := ensure(ctx, s.client.RbacV1().ClusterRoles(), role); err != nil {
			return fmt.Errorf("cluster role %s: %w", role.Name, err)
		}
	}
	for _, binding := range access.ClusterRoleBindings() {
		if err := ensure(ctx, s.client.RbacV1().ClusterRoleBindings(), binding); err != nil {
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
