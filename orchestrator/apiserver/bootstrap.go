package apiserver

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/lubberline/lubberline/orchestrator/apiserver/admission"
)

// systemNamespaces are there before the server is ready.
func systemNamespaces() []string {
	return []string{metav1.NamespaceDefault, metav1.NamespaceSystem, metav1.NamespacePublic, corev1.NamespaceNodeLease}
}

// bootstrap makes the objects without which a cluster is none. What is there
// already stays as it is.
func (s *Server) bootstrap(ctx context.Context) error {
	for _, name := range systemNamespaces() {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		_, err := s.client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{})
		if unexpected(err) {
			return fmt.Errorf("namespace %s: %w", name, err)
		}
	}
	for _, class := range admission.SystemPriorityClasses() {
		_, err := s.client.SchedulingV1().PriorityClasses().Create(ctx, class, metav1.CreateOptions{})
		if unexpected(err) {
			return fmt.Errorf("priority class %s: %w", class.Name, err)
		}
	}
	return reconcileKubernetesService(ctx, s.client, s.endpoint())
}

func unexpected(err error) bool { return err != nil && !apierrors.IsAlreadyExists(err) }

const (
	bootstrapRetry  = 20 * time.Millisecond
	reconcilePeriod = time.Minute
)

// startBootstrap is a hook of the library: the server is ready after it.
func (s *Server) startBootstrap(ctx context.Context) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, bootstrapRetry, time.Minute, true, func(ctx context.Context) (bool, error) {
		last = s.bootstrap(ctx)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("%w: %w", err, last)
	}
	go s.keepBootstrapped(ctx)
	return nil
}

// keepBootstrapped makes again what somebody deleted or changed.
func (s *Server) keepBootstrapped(ctx context.Context) {
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		if err := s.bootstrap(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("system objects are not all there", "error", err)
		}
	}, reconcilePeriod)
}
