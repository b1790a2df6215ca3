package dns

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
	"github.com/lubberline/lubberline/orchestrator/controller/sliceindex"
)

// Indexes of the shared informers that answers are looked up by.
const (
	slicesByAddress = "lubberline-dns-address"
	servicesByIP    = "lubberline-dns-cluster-ip"
)

// cluster is what names are answered from: the process's own caches.
type cluster struct {
	namespaces corelisters.NamespaceLister
	services   corelisters.ServiceLister
	byIP       cache.Indexer // services
	slices     cache.Indexer
	ofService  sliceindex.Index
	synced     []cache.InformerSynced
}

// newCluster asks for informers and their indexes.
func newCluster(f informers.SharedInformerFactory) (*cluster, error) {
	core := f.Core().V1()
	namespaces, services := core.Namespaces().Informer(), core.Services().Informer()
	slices := f.Discovery().V1().EndpointSlices().Informer()
	for _, i := range []struct {
		informer cache.SharedIndexInformer
		name     string
		index    cache.IndexFunc
	}{
		{services, servicesByIP, indexClusterIPs},
		{slices, slicesByAddress, indexAddresses},
	} {
		if _, has := i.informer.GetIndexer().GetIndexers()[i.name]; has {
			continue
		}
		if err := i.informer.AddIndexers(cache.Indexers{i.name: i.index}); err != nil {
			return nil, fmt.Errorf("index %s: %w", i.name, err)
		}
	}
	ofService, err := sliceindex.Of(slices)
	if err != nil {
		return nil, err
	}
	return &cluster{
		ofService:  ofService,
		namespaces: core.Namespaces().Lister(), services: core.Services().Lister(),
		byIP: services.GetIndexer(), slices: slices.GetIndexer(),
		synced: []cache.InformerSynced{namespaces.HasSynced, services.HasSynced, slices.HasSynced},
	}, nil
}

// ready tells whether the caches hold what there is.
func (c *cluster) ready() bool {
	return !slices.ContainsFunc(c.synced, func(synced cache.InformerSynced) bool { return !synced() })
}

func indexClusterIPs(obj any) ([]string, error) {
	s, ok := obj.(*corev1.Service)
	if !ok || s.Spec.Type == corev1.ServiceTypeExternalName {
		return nil, nil
	}
	return slices.DeleteFunc(clusterIPs(s), func(ip string) bool { return ip == corev1.ClusterIPNone }), nil
}

func clusterIPs(s *corev1.Service) []string {
	if len(s.Spec.ClusterIPs) == 0 && s.Spec.ClusterIP != "" {
		return []string{s.Spec.ClusterIP}
	}
	return slices.Clone(s.Spec.ClusterIPs)
}

func indexAddresses(obj any) ([]string, error) {
	s, ok := obj.(*discoveryv1.EndpointSlice)
	if !ok || s.AddressType == discoveryv1.AddressTypeFQDN {
		return nil, nil
	}
	var all []string
	for i := range s.Endpoints {
		all = append(all, s.Endpoints[i].Addresses...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

func (c *cluster) namespace(name string) bool {
	_, err := c.namespaces.Get(name)
	return err == nil
}

// service returns nil where there is none.
func (c *cluster) service(namespace, name string) *corev1.Service {
	s, err := c.services.Services(namespace).Get(name)
	if err != nil {
		return nil
	}
	return s
}

func headless(s *corev1.Service) bool {
	return s.Spec.Type != corev1.ServiceTypeExternalName && s.Spec.ClusterIP == corev1.ClusterIPNone
}

// endpoint is one address behind a service that takes traffic.
type endpoint struct {
	name    string // its label below the service, in lower case
	address netip.Addr
	ports   []discoveryv1.EndpointPort
}

// endpoints calls visit with every endpoint of the service that is ready, until
// it returns false. An address in several slices comes several times.
func (c *cluster) endpoints(s *corev1.Service, visit func(endpoint) bool) {
	for _, slice := range c.ofService.OfService(reconcile.Key(s)) {
		if !visitSlice(slice, visit) {
			return
		}
	}
}

func visitSlice(slice *discoveryv1.EndpointSlice, visit func(endpoint) bool) bool {
	if slice.AddressType == discoveryv1.AddressTypeFQDN {
		return true
	}
	for i := range slice.Endpoints {
		e := &slice.Endpoints[i]
		if !ptr.Deref(e.Conditions.Ready, true) {
			continue
		}
		for _, text := range e.Addresses {
			address, err := netip.ParseAddr(text)
			if err == nil && !visit(endpoint{name: endpointName(e, address), address: address, ports: slice.Ports}) {
				return false
			}
		}
	}
	return true
}

func endpointName(e *discoveryv1.Endpoint, address netip.Addr) string {
	if e.Hostname != nil && *e.Hostname != "" {
		return strings.ToLower(*e.Hostname)
	}
	return dashed(address)
}

// names returns the names that an address has, relative to the domain: that of
// the service whose cluster IP it is, or those of the endpoints.
func (c *cluster) names(address netip.Addr) []string {
	text := address.String()
	found, err := c.byIP.ByIndex(servicesByIP, text)
	if err == nil && len(found) > 0 {
		s := found[0].(*corev1.Service)
		return []string{s.Name + "." + s.Namespace + "." + servicesLabel}
	}
	found, err = c.slices.ByIndex(slicesByAddress, text)
	if err != nil {
		return nil
	}
	var names []string
	for _, obj := range found {
		slice := obj.(*discoveryv1.EndpointSlice)
		of := metav1.ObjectMeta{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}
		if c.service(of.Namespace, of.Name) == nil {
			continue
		}
		visitSlice(slice, func(e endpoint) bool {
			if e.address == address {
				names = append(names, e.name+"."+of.Name+"."+of.Namespace+"."+servicesLabel)
			}
			return true
		})
	}
	slices.Sort(names)
	return slices.Compact(names)
}
