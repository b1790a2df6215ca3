// Package podindex finds pods in the shared cache by who controls them and by
// their node, without going through all.
package podindex

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

const (
	byController = "lubberline/controller" // UID, or orphanPrefix + namespace
	byNode       = "lubberline/node"
	orphanPrefix = "orphan/"
)

// Index is the cache of pods with these indexes.
type Index struct{ indexer cache.Indexer }

// Of gives the pod informer its indexes, unless it has them from another
// controller. It must be called before the informer starts.
func Of(pods cache.SharedIndexInformer) (Index, error) {
	indexer := pods.GetIndexer()
	wanted := cache.Indexers{}
	for name, f := range map[string]cache.IndexFunc{byController: controllerOf, byNode: nodeOf} {
		if indexer.GetIndexers()[name] == nil {
			wanted[name] = f
		}
	}
	if len(wanted) > 0 {
		if err := pods.AddIndexers(wanted); err != nil {
			return Index{}, fmt.Errorf("index pods: %w", err)
		}
	}
	return Index{indexer}, nil
}

func controllerOf(o any) ([]string, error) {
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return nil, nil
	}
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
		return []string{string(owner.UID)}, nil
	}
	return []string{orphanPrefix + pod.Namespace}, nil
}

func nodeOf(o any) ([]string, error) {
	pod, ok := o.(*corev1.Pod)
	if !ok || pod.Spec.NodeName == "" {
		return nil, nil
	}
	return []string{pod.Spec.NodeName}, nil
}

// ControlledBy is the pods of a controller. They are the cache's: not to be
// changed.
func (x Index) ControlledBy(uid types.UID) []*corev1.Pod { return x.pods(byController, string(uid)) }

// Orphans is the pods of a namespace that nobody controls.
func (x Index) Orphans(namespace string) []*corev1.Pod {
	return x.pods(byController, orphanPrefix+namespace)
}

// OnNode is the pods bound to a node.
func (x Index) OnNode(node string) []*corev1.Pod { return x.pods(byNode, node) }

// Get is a pod by its name, nil when the cache has none.
func (x Index) Get(namespace, name string) *corev1.Pod {
	o, exists, err := x.indexer.GetByKey(cache.ObjectName{Namespace: namespace, Name: name}.String())
	if err != nil || !exists {
		return nil
	}
	pod, _ := o.(*corev1.Pod)
	return pod
}

// All is every pod.
func (x Index) All() []*corev1.Pod { return podsOf(x.indexer.List()) }

func (x Index) pods(index, value string) []*corev1.Pod {
	objects, err := x.indexer.ByIndex(index, value)
	if err != nil { // only without the index, which Of has made
		panic(err)
	}
	return podsOf(objects)
}

func podsOf(objects []any) []*corev1.Pod {
	pods := make([]*corev1.Pod, 0, len(objects))
	for _, o := range objects {
		if pod, ok := o.(*corev1.Pod); ok {
			pods = append(pods, pod)
		}
	}
	return pods
}
