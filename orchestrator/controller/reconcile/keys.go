package reconcile

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// Key is namespace/name, or only the name of what has no namespace.
func Key(o metav1.Object) string {
	return cache.ObjectName{Namespace: o.GetNamespace(), Name: o.GetName()}.String()
}

// SplitKey takes a key apart; the namespace may be empty.
func SplitKey(key string) (namespace, name string) {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil { // more than one slash, which Key cannot make
		return "", key
	}
	return namespace, name
}

// Handler makes an event handler for objects of type T. old is nil for what is
// new, and current is nil for what is gone. An object that vanished unseen is
// told with its last known state. What has another type is not told.
func Handler[T metav1.Object](changed func(old, current T)) cache.ResourceEventHandler {
	var none T
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) {
			if current, ok := o.(T); ok {
				changed(none, current)
			}
		},
		UpdateFunc: func(o, n any) {
			old, isOld := o.(T)
			current, isNew := n.(T)
			if isOld && isNew {
				changed(old, current)
			}
		},
		DeleteFunc: func(o any) {
			if unseen, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = unseen.Obj
			}
			if old, ok := o.(T); ok {
				changed(old, none)
			}
		},
	}
}
