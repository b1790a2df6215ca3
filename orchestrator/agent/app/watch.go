package app

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// buildWatch watches the pods that are bound to this node, and no others.
func (a *App) buildWatch() error {
	factory := informers.NewSharedInformerFactoryWithOptions(a.o.Client, 0,
		informers.WithTweakListOptions(func(options *metav1.ListOptions) {
			options.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", a.o.NodeName).String()
		}),
		informers.WithTransform(lean))
	a.watch = factory.Core().V1().Pods().Informer()
	told, err := a.watch.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { a.update(o) },
		UpdateFunc: func(_, o any) { a.update(o) },
		DeleteFunc: func(o any) { a.forget(o) },
	})
	if err != nil {
		return fmt.Errorf("watch the node's pods: %w", err)
	}
	a.told = told.HasSynced
	return nil
}

// lean drops what nobody here reads.
func lean(o any) (any, error) {
	if m, err := meta.Accessor(o); err == nil {
		m.SetManagedFields(nil)
	}
	return o, nil
}

func (a *App) update(o any) {
	if pod, ok := o.(*v1.Pod); ok {
		a.pods.Update(pod)
	}
}

func (a *App) forget(o any) {
	if unknown, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = unknown.Obj
	}
	if pod, ok := o.(*v1.Pod); ok {
		a.pods.Delete(pod)
	}
}
