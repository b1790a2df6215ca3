// Package loadbalancer gives services of type LoadBalancer the addresses at which
// clients outside the cluster reach them: those of the nodes, or one of a pool.
// The nodes' proxies serve these addresses; nothing else has to be set up.
package loadbalancer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
)

// AddressAnnotation wishes for an address of the pool, as spec.loadBalancerIP
// does, which has precedence.
const AddressAnnotation = "lubberline.local/load-balancer-ip"

// Options is what the controller is made of.
type Options struct {
	Client    kubernetes.Interface
	Informers informers.SharedInformerFactory
	Events    record.EventRecorder
	// Pool has the addresses that are given out, one to each service; network and
	// broadcast addresses are given too, as they are routed. Empty gives every
	// service the addresses of the nodes.
	Pool []netip.Prefix
	// NodePorts are TCP ports that the nodes need themselves: no service gets
	// them at the nodes' addresses.
	NodePorts  []int32
	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
	Clock      clock.Clock           // nil is the real one
}

// Controller gives addresses to services.
type Controller struct {
	o        Options
	services corelisters.ServiceLister
	nodes    corelisters.NodeLister
	slices   discoverylisters.EndpointSliceLister
	loop     *reconcile.Loop

	mu sync.Mutex
	// given are addresses of the pool that the cache may not show yet.
	given map[types.UID]netip.Addr
	// told is the last complaint about a service.
	told map[types.UID]string
}

// New makes the controller.
func New(o Options) (*Controller, error) {
	services, nodes, endpoints := o.Informers.Core().V1().Services(), o.Informers.Core().V1().Nodes(), o.Informers.Discovery().V1().EndpointSlices()
	c := &Controller{
		o: o, services: services.Lister(), nodes: nodes.Lister(), slices: endpoints.Lister(),
		given: map[types.UID]netip.Addr{}, told: map[types.UID]string{},
	}
	var err error
	c.loop, err = reconcile.New(reconcile.Options{
		Name: "loadbalancer", Reconcile: c.reconcile, Workers: 1,
		Caches: []reconcile.Cache{services.Informer(), nodes.Informer(), endpoints.Informer()},
		Logger: o.Logger, Registerer: o.Registerer, Clock: o.Clock,
	})
	if err != nil {
		return nil, err
	}
	_, serviceErr := services.Informer().AddEventHandler(reconcile.Handler(c.serviceChanged))
	_, nodeErr := nodes.Informer().AddEventHandler(reconcile.Handler(c.nodeChanged))
	_, sliceErr := endpoints.Informer().AddEventHandler(reconcile.Handler(c.sliceChanged))
	return c, errors.Join(serviceErr, nodeErr, sliceErr)
}

// Run works until ctx ends.
func (c *Controller) Run(ctx context.Context) error { return c.loop.Run(ctx) }

// Loops are the controller's loops, for simulations.
func (c *Controller) Loops() []*reconcile.Loop { return []*reconcile.Loop{c.loop} }

// isOurs: services with a class are for other controllers.
func isOurs(s *corev1.Service) bool {
	return s.Spec.Type == corev1.ServiceTypeLoadBalancer && s.Spec.LoadBalancerClass == nil
}

func (c *Controller) serviceChanged(old, current *corev1.Service) {
	if old != nil && (current == nil || current.UID != old.UID) {
		c.forget(old.UID)
	}
	if current != nil && (isOurs(current) || old != nil && isOurs(old)) {
		c.loop.Add(reconcile.Key(current))
	}
	if old != nil && isOurs(old) && (current == nil || !equality.Semantic.DeepEqual(old.Spec, current.Spec) || !equality.Semantic.DeepEqual(old.Status, current.Status)) {
		c.addAll() // somebody may wait for what it had
	}
}

func (c *Controller) nodeChanged(old, current *corev1.Node) {
	if old != nil && current != nil && isCandidate(old) == isCandidate(current) && slices.Equal(addressesOf(old), addressesOf(current)) {
		return
	}
	if len(c.o.Pool) == 0 {
		c.addAll()
	}
}

func (c *Controller) sliceChanged(old, current *discoveryv1.EndpointSlice) {
	if len(c.o.Pool) > 0 {
		return
	}
	for _, slice := range []*discoveryv1.EndpointSlice{old, current} {
		if slice == nil {
			continue
		}
		s, err := c.services.Services(slice.Namespace).Get(slice.Labels[discoveryv1.LabelServiceName])
		if err == nil && isOurs(s) && s.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal {
			c.loop.Add(reconcile.Key(s))
		}
	}
}

// ours are the services that want addresses, those first that came first.
func (c *Controller) ours() []*corev1.Service {
	all, err := c.services.List(labels.Everything())
	if err != nil {
		return nil // a cache has no errors
	}
	all = slices.DeleteFunc(slices.Clone(all), func(s *corev1.Service) bool { return !isOurs(s) })
	slices.SortFunc(all, compareAge)
	return all
}

func (c *Controller) addAll() {
	for _, s := range c.ours() {
		c.loop.Add(reconcile.Key(s))
	}
}

func (c *Controller) forget(uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.given, uid)
	delete(c.told, uid)
}

func (c *Controller) reconcile(ctx context.Context, key string) error {
	namespace, name := reconcile.SplitKey(key)
	s, err := c.services.Services(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	var wanted []netip.Addr
	var problem *problem
	if isOurs(s) && s.DeletionTimestamp == nil {
		wanted, problem = c.choose(s)
	} else if s.Spec.Type == corev1.ServiceTypeLoadBalancer {
		return nil
	}
	c.complain(s, problem)
	if err := c.write(ctx, s, wanted); err != nil {
		return err
	}
	if len(wanted) == 0 {
		c.release(s.UID)
	}
	return nil
}

// release lets others have the address of a service that has none any more.
func (c *Controller) release(uid types.UID) {
	c.mu.Lock()
	_, had := c.given[uid]
	delete(c.given, uid)
	c.mu.Unlock()
	if had {
		c.addAll()
	}
}

func (c *Controller) choose(s *corev1.Service) ([]netip.Addr, *problem) {
	if len(c.o.Pool) == 0 {
		return c.nodesFor(s)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	address, problem := c.fromPool(s)
	if problem != nil {
		return nil, problem
	}
	return []netip.Addr{address}, nil
}

// write brings the status to the addresses, and leaves what else it says of an
// address that stays.
func (c *Controller) write(ctx context.Context, s *corev1.Service, wanted []netip.Addr) error {
	old := s.Status.LoadBalancer.Ingress
	ingress := make([]corev1.LoadBalancerIngress, 0, len(wanted))
	for _, address := range wanted {
		one := corev1.LoadBalancerIngress{IP: address.String()}
		if i := slices.IndexFunc(old, func(in corev1.LoadBalancerIngress) bool { return in.IP == one.IP }); i >= 0 {
			one = old[i]
		}
		ingress = append(ingress, one)
	}
	if equality.Semantic.DeepEqual(old, ingress) || len(old)+len(ingress) == 0 {
		return nil
	}
	updated := s.DeepCopy()
	updated.Status.LoadBalancer.Ingress = ingress
	_, err := c.o.Client.CoreV1().Services(s.Namespace).UpdateStatus(ctx, updated, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("give service %s/%s the addresses %v: %w", s.Namespace, s.Name, wanted, err)
	}
	c.announce(s, len(old), len(ingress))
	return nil
}

func (c *Controller) announce(s *corev1.Service, before, after int) {
	switch {
	case after == 0:
		c.o.Events.Event(s, corev1.EventTypeNormal, "DeletedLoadBalancer", "Deleted load balancer")
	case before == 0:
		c.o.Events.Event(s, corev1.EventTypeNormal, "EnsuredLoadBalancer", "Ensured load balancer")
	default:
		c.o.Events.Event(s, corev1.EventTypeNormal, "UpdatedLoadBalancer", "Updated load balancer with new hosts")
	}
}

// problem is why a service gets no address.
type problem struct{ reason, message string }

// complain tells a service's owner of a problem, once.
func (c *Controller) complain(s *corev1.Service, p *problem) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p == nil {
		delete(c.told, s.UID)
		return
	}
	if c.told[s.UID] != p.message {
		c.told[s.UID] = p.message
		c.o.Events.Event(s, corev1.EventTypeWarning, p.reason, p.message)
	}
}
