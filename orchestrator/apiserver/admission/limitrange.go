package admission

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/cache"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
)

// limitRangeLag is how long after a write to a namespace's limits the informer
// is not trusted to know them.
const limitRangeLag = 5 * time.Second

// limitRanges gives new containers the defaults of their namespace and keeps
// pods and claims within its limits.
type limitRanges struct {
	*admission.Handler
	client kubernetes.Interface
	lister listers.LimitRangeLister
	// written has the namespaces whose limits were written a moment ago.
	written *cache.LRUExpireCache
}

var (
	_ admission.MutationInterface   = (*limitRanges)(nil)
	_ admission.ValidationInterface = (*limitRanges)(nil)
)

func newLimitRanges(o Options) *limitRanges {
	informer := o.Informers.Core().V1().LimitRanges()
	l := &limitRanges{
		Handler: admission.NewHandler(admission.Create, admission.Update, admission.Delete),
		client:  o.Client,
		lister:  informer.Lister(),
		written: cache.NewLRUExpireCache(1000),
	}
	l.SetReadyFunc(informer.Informer().HasSynced)
	return l
}

// Admit sets the requests and limits that a new pod's containers leave out.
func (l *limitRanges) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	pod := newPod(a)
	if pod == nil {
		return nil
	}
	ranges, err := l.of(ctx, a)
	if err != nil {
		return err
	}
	for _, r := range ranges {
		setDefaults(r, pod)
	}
	return nil
}

// Validate refuses what is outside of a limit, and names all limits broken.
func (l *limitRanges) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if is(a, "limitranges", "") {
		l.written.Add(a.GetNamespace(), struct{}{}, limitRangeLag)
		return nil
	}
	if !limited(a) {
		return nil
	}
	ranges, err := l.of(ctx, a)
	if err != nil {
		return err
	}
	for _, r := range ranges {
		if err := within(r, a); err != nil {
			return admission.NewForbidden(a, err)
		}
	}
	return nil
}

// limited tells the requests that state resources: containers cannot change
// theirs but by a resize, claims can grow. What is being deleted may pass.
func limited(a admission.Attributes) bool {
	if a.GetOperation() == admission.Delete {
		return false
	}
	if old := a.GetOldObject(); old != nil {
		if m, err := meta.Accessor(old); err == nil && m.GetDeletionTimestamp() != nil {
			return false
		}
	}
	return newPod(a) != nil || is(a, "persistentvolumeclaims", "") ||
		is(a, "pods", "resize") && a.GetOperation() == admission.Update
}

func within(r *corev1.LimitRange, a admission.Attributes) error {
	var errs []error
	for _, limit := range r.Spec.Limits {
		switch o := a.GetObject().(type) {
		case *corev1.Pod:
			errs = append(errs, podWithin(limit, o)...)
		case *corev1.PersistentVolumeClaim:
			errs = append(errs, claimWithin(limit, o)...)
		}
	}
	return utilerrors.NewAggregate(errs)
}

func (l *limitRanges) of(ctx context.Context, a admission.Attributes) ([]*corev1.LimitRange, error) {
	if _, fresh := l.written.Get(a.GetNamespace()); fresh {
		return l.live(ctx, a)
	}
	if !l.WaitForReady() {
		return nil, forbid(a, "not yet ready to handle request")
	}
	ranges, err := l.lister.LimitRanges(a.GetNamespace()).List(labels.Everything())
	if err != nil {
		return nil, forbid(a, "unable to %s %v at this time because there was an error enforcing limit ranges", a.GetOperation(), a.GetResource())
	}
	slices.SortFunc(ranges, byName)
	return ranges, nil
}

func (l *limitRanges) live(ctx context.Context, a admission.Attributes) ([]*corev1.LimitRange, error) {
	list, err := l.client.CoreV1().LimitRanges(a.GetNamespace()).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, admission.NewForbidden(a, fmt.Errorf("list limit ranges: %w", err))
	}
	var ranges []*corev1.LimitRange
	for i := range list.Items {
		ranges = append(ranges, &list.Items[i])
	}
	return ranges, nil
}

// byName makes defaults of several ranges independent of the cache's order.
func byName(a, b *corev1.LimitRange) int {
	switch {
	case a.Name < b.Name:
		return -1
	case a.Name > b.Name:
		return 1
	}
	return 0
}
