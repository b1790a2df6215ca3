package kubernetes

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"github.com/lubberline/lubberline/aggregator/kubernetes/state"
)

// objects is the cluster's objects as the informers hold them.
type objects struct {
	kinds       []kind
	controllers *controllers
	namespaces  cache.SharedIndexInformer
	synced      []cache.InformerSynced
}

// kind is one kind's store and what is emitted of each object in it.
type kind struct {
	store cache.Store
	emit  func(state.Emit, any)
}

func of[T any](informer cache.SharedIndexInformer, emit func(state.Emit, T)) kind {
	return kind{informer.GetStore(), func(e state.Emit, object any) {
		if o, ok := object.(T); ok {
			emit(e, o)
		}
	}}
}

func newObjects(f informers.SharedInformerFactory) (*objects, error) {
	core, apps := f.Core().V1(), f.Apps().V1()
	pods, sets := core.Pods().Informer(), apps.ReplicaSets().Informer()
	o := &objects{controllers: newControllers(sets.GetStore()), namespaces: core.Namespaces().Informer()}
	o.kinds = []kind{
		of(pods, func(e state.Emit, p *v1.Pod) { state.Pod(e, p); o.controllers.emit(e, p) }),
		of(core.Nodes().Informer(), state.Node),
		of(core.Namespaces().Informer(), state.Namespace),
		of(core.Services().Informer(), state.Service),
		of(core.ReplicationControllers().Informer(), state.ReplicationController),
		of(core.PersistentVolumes().Informer(), state.PersistentVolume),
		of(core.PersistentVolumeClaims().Informer(), state.PersistentVolumeClaim),
		of(core.ResourceQuotas().Informer(), state.ResourceQuota),
		of(core.LimitRanges().Informer(), state.LimitRange),
		of(sets, func(e state.Emit, s *appsv1.ReplicaSet) { state.ReplicaSet(e, s) }),
		of(apps.Deployments().Informer(), state.Deployment),
		of(apps.DaemonSets().Informer(), state.DaemonSet),
	}
	for _, informer := range []cache.SharedIndexInformer{
		pods, sets, core.Nodes().Informer(), core.Namespaces().Informer(), core.ReplicationControllers().Informer(), apps.Deployments().Informer(),
	} {
		o.synced = append(o.synced, informer.HasSynced)
	}
	_, err := pods.AddEventHandler(o.controllers)
	return o, err
}

// sync waits for the first lists; false when ctx ended.
func (o *objects) sync(ctx context.Context) bool {
	return cache.WaitForCacheSync(ctx.Done(), o.synced...)
}

// mayHave is false when the namespace is none of the cluster's, as those that
// Docker's containers are shown under.
func (o *objects) mayHave(namespace string) bool {
	if !o.namespaces.HasSynced() {
		return true
	}
	_, found, err := o.namespaces.GetStore().GetByKey(namespace)
	return found || err != nil
}

func (o *objects) emitAll(emit state.Emit) {
	for _, k := range o.kinds {
		for _, object := range k.store.List() {
			k.emit(emit, object)
		}
	}
}
