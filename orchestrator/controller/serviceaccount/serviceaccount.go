// Package serviceaccount keeps in every namespace what pods need to speak to
// the API: the service account "default", and the ConfigMap kube-root-ca.crt by
// which they know the server's certificate.
package serviceaccount

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/informers"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
)

const (
	// accountName is what pods run as that name no account.
	accountName = "default"
	// RootCAName is the ConfigMap with the CA bundle.
	RootCAName = "kube-root-ca.crt"
	// RootCAKey is the bundle's key in it.
	RootCAKey = "ca.crt"

	descriptionAnnotation = "kubernetes.io/description"
	description           = "The CA bundle to verify the API server with, at its service address or name. It is restored when changed."
)

// Options is what the controller works with.
type Options struct {
	Client    kubernetes.Interface
	Informers informers.SharedInformerFactory
	// RootCA is the certificates, PEM, that the API server's is signed by.
	RootCA     []byte
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Controller is one loop over the namespaces.
type Controller struct {
	client     kubernetes.Interface
	rootCA     string
	namespaces listers.NamespaceLister
	accounts   listers.ServiceAccountLister
	configMaps listers.ConfigMapLister
	// bundles caches nothing but the ConfigMaps of that one name.
	bundles cache.SharedIndexInformer
	loop    *reconcile.Loop
}

// New asks the factory for the informers; the factory is started after it.
func New(o Options) (*Controller, error) {
	if len(o.RootCA) == 0 {
		return nil, errors.New("service account controller: no root CA")
	}
	core := o.Informers.Core().V1()
	bundles := coreinformers.NewFilteredConfigMapInformer(o.Client, metav1.NamespaceAll, 0,
		cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc},
		func(l *metav1.ListOptions) {
			l.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, RootCAName).String()
		})
	c := &Controller{
		client:     o.Client,
		rootCA:     string(o.RootCA),
		namespaces: core.Namespaces().Lister(),
		accounts:   core.ServiceAccounts().Lister(),
		configMaps: listers.NewConfigMapLister(bundles.GetIndexer()),
		bundles:    bundles,
	}
	var err error
	c.loop, err = reconcile.New(reconcile.Options{
		Name: "serviceaccount", Reconcile: c.reconcile, Logger: o.Logger, Registerer: o.Registerer,
		Caches: []reconcile.Cache{core.Namespaces().Informer(), core.ServiceAccounts().Informer(), bundles},
	})
	if err != nil {
		return nil, err
	}
	return c, c.watch(core)
}

func (c *Controller) watch(core coreinformers.Interface) error {
	_, err := core.Namespaces().Informer().AddEventHandler(reconcile.Handler(func(old, current *corev1.Namespace) {
		if old == nil && current != nil {
			c.loop.Add(current.Name)
		}
	}))
	_, errAccounts := core.ServiceAccounts().Informer().AddEventHandler(reconcile.Handler(func(old, current *corev1.ServiceAccount) {
		if current == nil && old.Name == accountName {
			c.loop.Add(old.Namespace)
		}
	}))
	_, errBundles := c.bundles.AddEventHandler(reconcile.Handler(func(old, current *corev1.ConfigMap) {
		if current == nil {
			current = old
		}
		c.loop.Add(current.Namespace)
	}))
	return errors.Join(err, errAccounts, errBundles)
}

// Run works until ctx ends.
func (c *Controller) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	go func() { defer close(ended); c.bundles.RunWithContext(ctx) }()
	err := c.loop.Run(ctx)
	cancel()
	<-ended
	return err
}

func (c *Controller) reconcile(ctx context.Context, namespace string) error {
	ns, err := c.namespaces.Get(namespace)
	if apierrors.IsNotFound(err) || err == nil && (ns.DeletionTimestamp != nil || ns.Status.Phase == corev1.NamespaceTerminating) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(c.ensureAccount(ctx, namespace), c.ensureBundle(ctx, namespace))
}

func (c *Controller) ensureAccount(ctx context.Context, namespace string) error {
	_, err := c.accounts.ServiceAccounts(namespace).Get(accountName)
	if !apierrors.IsNotFound(err) {
		return err
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: accountName}}
	_, err = c.client.CoreV1().ServiceAccounts(namespace).Create(ctx, account, metav1.CreateOptions{})
	return created(err, namespace+"/"+accountName)
}

func (c *Controller) ensureBundle(ctx context.Context, namespace string) error {
	wanted := map[string]string{RootCAKey: c.rootCA}
	stored, err := c.configMaps.ConfigMaps(namespace).Get(RootCAName)
	if apierrors.IsNotFound(err) {
		bundle := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: RootCAName}, Data: wanted}
		describe(bundle)
		_, err = c.client.CoreV1().ConfigMaps(namespace).Create(ctx, bundle, metav1.CreateOptions{})
		return created(err, namespace+"/"+RootCAName)
	}
	if err != nil || maps.Equal(stored.Data, wanted) && len(stored.BinaryData) == 0 {
		return err
	}
	bundle := stored.DeepCopy()
	bundle.Data, bundle.BinaryData = wanted, nil
	describe(bundle)
	_, err = c.client.CoreV1().ConfigMaps(namespace).Update(ctx, bundle, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil // its deletion brings us back
	}
	return err
}

func describe(bundle *corev1.ConfigMap) {
	metav1.SetMetaDataAnnotation(&bundle.ObjectMeta, descriptionAnnotation, description)
}

// created lets pass what somebody else has made, and what can no longer be made
// because its namespace goes away.
func created(err error, what string) error {
	if err == nil || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) ||
		apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return nil
	}
	return fmt.Errorf("create %s: %w", what, err)
}
