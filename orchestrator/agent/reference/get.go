package reference

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// ConfigMap returns the object, which must not be changed. It waits for the
// first read; what no registered pod refers to is read from the server.
func (c *Cache) ConfigMap(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error) {
	o, watched, err := c.get(ctx, key{configMap, namespace, name})
	if !watched {
		got, err := c.o.Client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
		return got, singular(err, "configmap", name)
	}
	if err != nil {
		return nil, err
	}
	if m, ok := o.(*corev1.ConfigMap); ok {
		return m, nil
	}
	return nil, apierrors.NewNotFound(corev1.Resource("configmap"), name)
}

// Secret is ConfigMap for Secrets.
func (c *Cache) Secret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	o, watched, err := c.get(ctx, key{secret, namespace, name})
	if !watched {
		got, err := c.o.Client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
		return got, singular(err, "secret", name)
	}
	if err != nil {
		return nil, err
	}
	if s, ok := o.(*corev1.Secret); ok {
		return s, nil
	}
	return nil, apierrors.NewNotFound(corev1.Resource("secret"), name)
}

func (c *Cache) get(ctx context.Context, k key) (object runtime.Object, isWatched bool, err error) {
	c.mu.Lock()
	w := c.watches[k]
	c.mu.Unlock()
	if w == nil {
		return nil, false, nil
	}
	select {
	case <-w.read:
	case <-ctx.Done():
		return nil, true, ctx.Err()
	case <-c.ctx.Done():
		return nil, true, c.ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return w.object, true, w.err
}

// singular words the server's "not found" as the node words its own.
func singular(err error, kind, name string) error {
	if apierrors.IsNotFound(err) {
		return apierrors.NewNotFound(corev1.Resource(kind), name)
	}
	return err
}
