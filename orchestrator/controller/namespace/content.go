package namespace

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/utils/ptr"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
)

// content is what a pass over a namespace has found and could not remove.
type content struct {
	discovery, parsing error
	// failures are the deletions that did not work.
	failures []error
	// remaining is how many objects of a resource are still there.
	remaining map[schema.GroupResource]int
	// finalizers is how many of them wait for whom.
	finalizers map[string]int
}

func (f *content) err() error {
	real := []error{f.discovery, f.parsing}
	for _, err := range f.failures {
		if !errors.Is(err, reconcile.ErrWaiting) {
			real = append(real, err)
		}
	}
	if err := errors.Join(real...); err != nil {
		return err
	}
	return errors.Join(f.failures...)
}

// resource is a namespaced kind and what can be done with it.
type resource struct {
	schema.GroupVersionResource
	verbs metav1.Verbs
}

var pods = schema.GroupResource{Resource: "pods"}

// deleteContent asks for the deletion of everything in the namespace, but of
// pods alone while there are any: they may need their secrets, volumes and
// policies to the end.
func (c *Controller) deleteContent(ctx context.Context, ns *corev1.Namespace) *content {
	found := &content{remaining: map[schema.GroupResource]int{}, finalizers: map[string]int{}}
	resources := c.discover(found)
	for _, r := range resources {
		if r.GroupResource() == pods {
			found.fail("failed to delete pods for namespace: "+ns.Name, c.deleteAll(ctx, ns.Name, r, found))
		}
	}
	if found.remaining[pods] > 0 || len(found.failures) > 0 {
		return found
	}
	for _, r := range resources {
		if r.GroupResource() != pods {
			found.fail("", c.deleteAll(ctx, ns.Name, r, found))
		}
	}
	return found
}

func (f *content) fail(what string, err error) {
	switch {
	case err != nil && what != "":
		f.failures = append(f.failures, fmt.Errorf("%s, err: %w", what, err))
	case err != nil:
		f.failures = append(f.failures, err)
	}
}

// discover lists what can be deleted. Some groups may not answer: what can be
// found is deleted all the same.
func (c *Controller) discover(found *content) []resource {
	lists, err := c.discovery.ServerPreferredNamespacedResources()
	found.discovery = err
	var resources []resource
	for _, list := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"delete"}}, lists) {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			found.parsing = err
			continue
		}
		for _, r := range list.APIResources {
			if !strings.Contains(r.Name, "/") && r.Namespaced {
				resources = append(resources, resource{gv.WithResource(r.Name), r.Verbs})
			}
		}
	}
	return resources
}

// deleteAll asks for the deletion of all objects of a resource and counts those
// that stay for a while.
func (c *Controller) deleteAll(ctx context.Context, namespace string, r resource, found *content) error {
	before, err := c.list(ctx, namespace, r)
	if err != nil || len(before) == 0 {
		return err
	}
	if err := c.requestDeletion(ctx, namespace, r, before); err != nil {
		return err
	}
	after, err := c.list(ctx, namespace, r)
	if err != nil || len(after) == 0 {
		return err
	}
	found.remaining[r.GroupResource()] = len(after)
	expected := false
	for _, item := range after {
		for _, finalizer := range item.Finalizers {
			found.finalizers[finalizer]++
		}
		expected = expected || len(item.Finalizers) > 0 || c.inGracePeriod(item)
	}
	if !expected {
		return remainsError{fmt.Sprintf("unexpected items still remain in namespace: %s for gvr: %v", namespace, r.GroupVersionResource)}
	}
	return nil
}

// remainsError says in Kubernetes' words that objects take their time to go.
type remainsError struct{ text string }

func (e remainsError) Error() string { return e.text }

// Unwrap makes it no failure of the loop.
func (remainsError) Unwrap() error { return reconcile.ErrWaiting }

func (c *Controller) inGracePeriod(item metav1.PartialObjectMetadata) bool {
	return item.DeletionTimestamp != nil && c.clock.Now().Before(item.DeletionTimestamp.Time)
}

// requestDeletion leaves what the objects own to the garbage collector: it all
// goes anyway.
func (c *Controller) requestDeletion(ctx context.Context, namespace string, r resource, items []metav1.PartialObjectMetadata) error {
	o := metav1.DeleteOptions{PropagationPolicy: ptr.To(metav1.DeletePropagationBackground)}
	client := c.metadata.Resource(r.GroupVersionResource).Namespace(namespace)
	if slices.Contains(r.verbs, "deletecollection") {
		return client.DeleteCollection(ctx, o, metav1.ListOptions{})
	}
	for _, item := range items {
		if err := client.Delete(ctx, item.Name, o); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}

func (c *Controller) list(ctx context.Context, namespace string, r resource) ([]metav1.PartialObjectMetadata, error) {
	if !slices.Contains(r.verbs, "list") {
		return nil, nil
	}
	list, err := c.metadata.Resource(r.GroupVersionResource).Namespace(namespace).List(ctx, metav1.ListOptions{})
	if apierrors.IsMethodNotSupported(err) || apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

func (f *content) remainingText() string {
	var parts []string
	for gr, n := range f.remaining {
		parts = append(parts, fmt.Sprintf("%s.%s has %d resource instances", gr.Resource, gr.Group, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

func (f *content) finalizersText() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(f.finalizers)) {
		parts = append(parts, fmt.Sprintf("%s in %d resource instances", name, f.finalizers[name]))
	}
	return strings.Join(parts, ", ")
}
