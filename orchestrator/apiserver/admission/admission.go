// Package admission is what the API server asks before it stores an object:
// it fills in what a namespace's owner has set as defaults and refuses what
// would break a limit, a quota or a node's confines. Errors are in the words
// that Kubernetes uses, since clients and tests match on them.
package admission

import (
	"errors"
	"fmt"
	"log/slog"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
)

// Options is what the plug-ins work with.
type Options struct {
	// Client reaches this very server with unrestricted rights. It may be used
	// only once the server serves; New itself makes no call.
	Client kubernetes.Interface
	// Informers is the shared factory. New asks it for the informers needed, so
	// it must be started (again) after New. Requests that depend on an informer
	// wait up to 10 s for its first list.
	Informers informers.SharedInformerFactory
	// Stop is closed once no request is under way any more.
	Stop   <-chan struct{}
	Logger *slog.Logger
}

func (o Options) check() error {
	switch {
	case o.Client == nil:
		return errors.New("admission: no client")
	case o.Informers == nil:
		return errors.New("admission: no informers")
	case o.Stop == nil:
		return errors.New("admission: no stop channel")
	case o.Logger == nil:
		return errors.New("admission: no logger")
	}
	return nil
}

// New returns the chain of all plug-ins in the order in which they act: those
// that complete an object first, quota last, so that nothing is charged for an
// object that another plug-in refuses.
func New(o Options) (admission.Interface, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	namespaces, err := newNamespaceLifecycle(o)
	if err != nil {
		return nil, err
	}
	return admission.NewChainHandler(
		namespaces,
		newLimitRanges(o),
		newServiceAccounts(o),
		newNodeRestriction(o),
		newNodeTaint(),
		newPriorities(o),
		newStorage(o),
		newTolerations(),
		newQuotas(o),
	), nil
}

// newNamespaceLifecycle keeps new objects out of namespaces that are missing
// or being deleted, and the built-in namespaces from being deleted.
func newNamespaceLifecycle(o Options) (admission.Interface, error) {
	immortal := sets.New(metav1.NamespaceDefault, metav1.NamespaceSystem, metav1.NamespacePublic)
	l, err := lifecycle.NewLifecycle(immortal)
	if err != nil {
		return nil, fmt.Errorf("namespace lifecycle: %w", err)
	}
	l.SetExternalKubeClientSet(o.Client)
	l.SetExternalKubeInformerFactory(o.Informers)
	return l, l.ValidateInitialization()
}
