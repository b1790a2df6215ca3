// Package environment makes what a container finds around it: its variables,
// its command with the references expanded, the hosts file, the resolver and
// the host name.
package environment

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/record"

	"github.com/lubberline/lubberline/orchestrator/agent/environment/downward"
)

// Objects reads what variables refer to. An object that is not there is an
// error for which apierrors.IsNotFound holds.
type Objects interface {
	ConfigMap(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error)
	Secret(ctx context.Context, namespace, name string) (*corev1.Secret, error)
}

// Options is what an Environment needs.
type Options struct {
	Objects Objects
	// Services are those of all namespaces; ServicesSynced says whether they
	// have been read once.
	Services       corelisters.ServiceLister
	ServicesSynced func() bool
	// Host is asked whenever the node shows in a pod.
	Host   func() downward.Host
	DNS    DNS
	Events record.EventRecorder
	// PodDir is the folder of a pod's files on this node.
	PodDir func(types.UID) string
}

// Environment is safe for use by many goroutines.
type Environment struct{ o Options }

// New checks the options.
func New(o Options) (*Environment, error) {
	if o.Objects == nil || o.Services == nil || o.Host == nil || o.PodDir == nil {
		return nil, fmt.Errorf("environment: objects, services, host and pod folder are needed")
	}
	if o.ServicesSynced == nil {
		o.ServicesSynced = func() bool { return true }
	}
	if o.Events == nil {
		o.Events = &record.FakeRecorder{}
	}
	return &Environment{o}, nil
}

// ignorable says that what is not there does not matter.
func ignorable(err error, optional *bool) bool {
	return apierrors.IsNotFound(err) && optional != nil && *optional
}
