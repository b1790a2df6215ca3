package admission

import (
	"context"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/resourcequota"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/quota/v1/generic"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/lru"

	"github.com/lubberline/lubberline/orchestrator/quota"
)

const (
	// quotaWorkers is how many namespaces are charged at the same time. Within
	// one namespace requests are charged together, one write for all that wait.
	quotaWorkers = 5
	// quotaLag is how long after a write to a namespace's quotas by somebody
	// else the informer is not trusted to know them.
	quotaLag     = 2 * time.Second
	quotaTimeout = 10 * time.Second
	// chargedQuotas is how many quotas are remembered as they were left.
	chargedQuotas = 1000
)

// quotas charges new objects to their namespace's quotas: the library checks
// against status.used and writes it with the object's version, so that two
// requests cannot take the same last place.
type quotas struct {
	*admission.Handler
	evaluator resourcequota.Evaluator
	access    *quotaAccess
}

var _ admission.ValidationInterface = (*quotas)(nil)

func newQuotas(o Options) *quotas {
	informer := o.Informers.Core().V1().ResourceQuotas()
	access := &quotaAccess{
		client: o.Client, lister: informer.Lister(), synced: informer.Informer().HasSynced,
		written: cache.NewLRUExpireCache(chargedQuotas), charged: lru.New(chargedQuotas),
	}
	registry := generic.NewRegistry(quota.Evaluators(nil, clock.RealClock{}))
	return &quotas{
		Handler:   admission.NewHandler(admission.Create, admission.Update),
		evaluator: resourcequota.NewQuotaEvaluator(access, quota.Ignored(), registry, nil, nil, quotaWorkers, o.Stop),
		access:    access,
	}
}

// Validate charges what the request adds, and refuses it when it is too much.
func (q *quotas) Validate(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if a.GetNamespace() == "" || is(a, "namespaces", "") {
		return nil
	}
	if (is(a, "resourcequotas", "") || is(a, "resourcequotas", "status")) && a.GetUserInfo().GetName() != user.APIServerUser {
		q.access.written.Add(a.GetNamespace(), struct{}{}, quotaLag)
	}
	return q.evaluator.Evaluate(a)
}

// quotaAccess reads quotas from the informer, and from the store where the
// informer may be behind.
type quotaAccess struct {
	client kubernetes.Interface
	lister listers.ResourceQuotaLister
	synced func() bool
	// written has the namespaces of which quotas were written a moment ago.
	written *cache.LRUExpireCache
	// charged has quotas as our last write left them, by namespace/name.
	charged *lru.Cache
}

var _ resourcequota.QuotaAccessor = (*quotaAccess)(nil)

// UpdateQuotaStatus stores a quota's new usage.
func (q *quotaAccess) UpdateQuotaStatus(changed *corev1.ResourceQuota) error {
	ctx, cancel := context.WithTimeout(context.Background(), quotaTimeout)
	defer cancel()
	updated, err := q.client.CoreV1().ResourceQuotas(changed.Namespace).UpdateStatus(ctx, changed, metav1.UpdateOptions{})
	if err == nil {
		q.charged.Add(updated.Namespace+"/"+updated.Name, updated)
	}
	return err
}

// GetQuotas returns copies of a namespace's quotas.
func (q *quotaAccess) GetQuotas(namespace string) ([]corev1.ResourceQuota, error) {
	if _, fresh := q.written.Get(namespace); fresh || !q.synced() {
		return q.live(namespace)
	}
	cached, err := q.lister.ResourceQuotas(namespace).List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("error resolving quota: %w", err)
	}
	all := make([]corev1.ResourceQuota, 0, len(cached))
	for _, one := range cached {
		all = append(all, *q.newest(one).DeepCopy())
	}
	return all, nil
}

func (q *quotaAccess) live(namespace string) ([]corev1.ResourceQuota, error) {
	ctx, cancel := context.WithTimeout(context.Background(), quotaTimeout)
	defer cancel()
	list, err := q.client.CoreV1().ResourceQuotas(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("error resolving quota: %w", err)
	}
	return list.Items, nil
}

// newest is the quota as the informer has it or as we have left it: with the
// older one every second charge would meet a conflict.
func (q *quotaAccess) newest(cached *corev1.ResourceQuota) *corev1.ResourceQuota {
	key := cached.Namespace + "/" + cached.Name
	left, ok := q.charged.Get(key)
	if !ok {
		return cached
	}
	ours, isQuota := left.(*corev1.ResourceQuota)
	if !isQuota || version(ours) <= version(cached) {
		q.charged.Remove(key)
		return cached
	}
	return ours
}

// version is the resource version as the number that the store makes it.
func version(o metav1.Object) uint64 {
	v, err := strconv.ParseUint(o.GetResourceVersion(), 10, 64)
	if err != nil {
		return 0
	}
	return v
}
