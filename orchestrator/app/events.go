package app

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
)

// recorders write the components' events through one queue.
type recorders struct{ broadcaster record.EventBroadcaster }

func newRecorders(client kubernetes.Interface) *recorders {
	b := record.NewBroadcaster()
	b.StartRecordingToSink(&typedv1.EventSinkImpl{Interface: client.CoreV1().Events("")})
	return &recorders{b}
}

// of is a component's recorder; host is for those of one node.
func (r *recorders) of(component, host string) record.EventRecorder {
	return r.broadcaster.NewRecorder(scheme.Scheme, v1.EventSource{Component: component, Host: host})
}

func (r *recorders) shutdown() { r.broadcaster.Shutdown() }
