package endpoints

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/lubberline/lubberline/orchestrator/controller/expectations"
	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
)

// request is what the slices of one service and manager should say.
type request struct {
	owner       *metav1.OwnerReference
	key         string // of the service
	manager     string
	max         int // endpoints of a slice
	labels      map[string]string
	annotations map[string]string // of slices that are written
	groups      []group
}

// changes are the slices that are written.
type changes struct{ create, update, remove []*discoveryv1.EndpointSlice }

// pack spreads the endpoints over slices so that few are written: an endpoint
// stays where it is, a new one goes where something is written anyway, or else
// into the fullest slice that has room.
func (r *request) pack(known []*discoveryv1.EndpointSlice) changes {
	var c changes
	byGroup := map[string][]*discoveryv1.EndpointSlice{}
	for _, s := range known {
		byGroup[groupOf(s)] = append(byGroup[groupOf(s)], s)
	}
	for _, g := range r.groups {
		r.packGroup(&c, g, byGroup[g.key()])
		delete(byGroup, g.key())
	}
	for _, key := range slices.Sorted(maps.Keys(byGroup)) {
		c.remove = append(c.remove, byGroup[key]...)
	}
	return c
}

// filling is a slice that is being packed; was is nil for a new one.
type filling struct {
	was, is *discoveryv1.EndpointSlice
	changed bool
}

func (r *request) packGroup(c *changes, g group, known []*discoveryv1.EndpointSlice) {
	wanted := map[string]discoveryv1.Endpoint{}
	for _, e := range g.endpoints {
		wanted[endpointKey(&e)] = e
	}
	var all []*filling
	for _, s := range known {
		all = append(all, r.keep(s, wanted))
	}
	missing := slices.DeleteFunc(slices.Clone(g.endpoints), func(e discoveryv1.Endpoint) bool {
		_, is := wanted[endpointKey(&e)]
		delete(wanted, endpointKey(&e)) // an address may be given twice
		return !is
	})
	slices.SortStableFunc(all, func(a, b *filling) int {
		if a.changed != b.changed {
			if a.changed {
				return -1
			}
			return 1
		}
		return cmp.Compare(len(b.is.Endpoints), len(a.is.Endpoints))
	})
	for _, f := range all {
		n := min(max(r.max-len(f.is.Endpoints), 0), len(missing))
		f.is.Endpoints = append(f.is.Endpoints, missing[:n]...)
		f.changed, missing = f.changed || n > 0, missing[n:]
	}
	for len(missing) > 0 || len(all) == 0 {
		n := min(r.max, len(missing))
		all = append(all, &filling{is: r.newSlice(g, missing[:n]), changed: true})
		missing = missing[n:]
	}
	r.collect(c, all)
}

// keep takes out of wanted what the slice has already.
func (r *request) keep(s *discoveryv1.EndpointSlice, wanted map[string]discoveryv1.Endpoint) *filling {
	f := &filling{was: s, is: s.DeepCopy()}
	f.is.Endpoints = nil
	for i := range s.Endpoints {
		key := endpointKey(&s.Endpoints[i])
		e, is := wanted[key]
		if is && len(f.is.Endpoints) < r.max {
			f.is.Endpoints = append(f.is.Endpoints, e)
			delete(wanted, key)
		}
		f.changed = f.changed || !is || !equality.Semantic.DeepEqual(e, s.Endpoints[i])
	}
	owned := slices.ContainsFunc(s.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == r.owner.UID })
	if !owned || !maps.Equal(s.Labels, r.labels) || r.manager == mirrorManager && !maps.Equal(s.Annotations, r.annotations) || len(f.is.Endpoints) != len(s.Endpoints) {
		f.changed = true
	}
	f.is.Labels, f.is.OwnerReferences = maps.Clone(r.labels), []metav1.OwnerReference{*r.owner}
	return f
}

// collect drops slices that became empty, but one of all.
func (r *request) collect(c *changes, all []*filling) {
	full := slices.ContainsFunc(all, func(f *filling) bool { return len(f.is.Endpoints) > 0 })
	for i, f := range all {
		switch {
		case len(f.is.Endpoints) == 0 && (full || i > 0):
			c.remove = append(c.remove, f.was)
		case f.was == nil:
			c.create = append(c.create, f.is)
		case f.changed:
			f.is.Annotations = r.annotated(f.was.Annotations)
			c.update = append(c.update, f.is)
		}
	}
}

func (r *request) annotated(known map[string]string) map[string]string {
	all := map[string]string{}
	if r.manager == sliceManager {
		maps.Copy(all, known)
		delete(all, corev1.EndpointsLastChangeTriggerTime)
	}
	maps.Copy(all, r.annotations)
	return all
}

func (r *request) newSlice(g group, endpoints []discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	namespace, name := reconcile.SplitKey(r.key)
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, GenerateName: name + "-", Labels: maps.Clone(r.labels), Annotations: r.annotated(nil),
			OwnerReferences: []metav1.OwnerReference{*r.owner},
		},
		AddressType: g.family, Ports: slicePorts(g.ports), Endpoints: slices.Concat([]discoveryv1.Endpoint{}, endpoints),
	}
}

// endpointKey is who an endpoint is, whatever its state.
func endpointKey(e *discoveryv1.Endpoint) string {
	key := ""
	if len(e.Addresses) > 0 {
		key = e.Addresses[0]
	}
	if e.TargetRef != nil {
		key += " " + string(e.TargetRef.UID) + " " + e.TargetRef.Name
	}
	return key
}

// writeSlices writes what must be, once the cache shows what was created before.
func (c *Controller) writeSlices(ctx context.Context, loop *reconcile.Loop, r request) error {
	expected := r.manager + "/" + r.key
	namespace, service := reconcile.SplitKey(r.key)
	if shown, err := c.created.Met(ctx, expected, sliceView{c, namespace, service, r.manager}); err != nil || !shown {
		loop.AddAfter(r.key, expectations.Patience)
		return err
	}
	change := r.pack(c.managed(r.key, r.manager))
	client := c.client.DiscoveryV1().EndpointSlices(namespace)
	var errs []error
	for _, s := range change.create {
		created, err := client.Create(ctx, s, metav1.CreateOptions{})
		switch {
		case err == nil:
			c.created.Created(expected, sliceObject(created))
		case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
			return nil
		case expectations.LeavesOpen(err):
			c.created.CreationUnsure(expected)
		}
		errs = append(errs, err)
	}
	for _, s := range change.update {
		_, err := client.Update(ctx, s, metav1.UpdateOptions{})
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err // nothing is taken away before it is elsewhere
	}
	for _, s := range change.remove {
		errs = append(errs, ignoreNotFound(client.Delete(ctx, s.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(s.UID))})))
	}
	return errors.Join(errs...)
}

// sliceView is the slices of one service and manager, for the expectations.
type sliceView struct {
	c                           *Controller
	namespace, service, manager string
}

func sliceObject(s *discoveryv1.EndpointSlice) expectations.Object {
	return expectations.Object{Namespace: s.Namespace, Name: s.Name, UID: s.UID}
}

func (v sliceView) Cached(o expectations.Object) (present, deleting bool) {
	s, err := v.c.slices.EndpointSlices(o.Namespace).Get(o.Name)
	if err != nil || s.UID != o.UID {
		return false, false
	}
	return true, s.DeletionTimestamp != nil
}

func (v sliceView) Living(ctx context.Context) (map[expectations.Object]bool, error) {
	list, err := v.c.client.DiscoveryV1().EndpointSlices(v.namespace).List(ctx, metav1.ListOptions{
		LabelSelector: labels.Set{discoveryv1.LabelServiceName: v.service, discoveryv1.LabelManagedBy: v.manager}.String(),
	})
	if err != nil {
		return nil, err
	}
	living := map[expectations.Object]bool{}
	for i := range list.Items {
		living[sliceObject(&list.Items[i])] = list.Items[i].DeletionTimestamp != nil
	}
	return living, nil
}
