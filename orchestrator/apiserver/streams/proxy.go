package streams

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/proxy"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

// pass is a proxy of plain HTTP to a path below u. Links in pages lead through
// it again.
func pass(u *url.URL, path string, transport http.RoundTripper, responder rest.Responder) http.Handler {
	u.Path = utilnet.JoinPreservingTrailingSlash(u.Path, path)
	return proxy.NewUpgradeAwareHandler(u, transport, true, false, proxy.NewErrorResponder(responder))
}

func (c *connections) proxyPod(ctx context.Context, id string, options object, responder rest.Responder) (http.Handler, error) {
	o, ok := options.(*corev1.PodProxyOptions)
	if !ok {
		return nil, fmt.Errorf("invalid options object: %#v", options)
	}
	scheme, name, port, valid := utilnet.SplitSchemeNamePort(id)
	if !valid {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("invalid pod request %q", id))
	}
	pod, err := c.objects.Pod(ctx, genericrequest.NamespaceValue(ctx), name)
	if err != nil {
		return nil, err
	}
	if port == "" {
		port = firstPort(pod)
	}
	if err := reachable(pod.Status.PodIP); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return pass(&url.URL{Scheme: scheme, Host: hostPort(pod.Status.PodIP, port)}, o.Path, c.anything, responder), nil
}

func firstPort(pod *corev1.Pod) string {
	for _, container := range pod.Spec.Containers {
		if len(container.Ports) > 0 {
			return strconv.Itoa(int(container.Ports[0].ContainerPort))
		}
	}
	return ""
}

func hostPort(host, port string) string {
	if port != "" {
		return net.JoinHostPort(host, port)
	}
	if net.ParseIP(host).To4() == nil {
		return "[" + host + "]"
	}
	return host
}

// reachable refuses addresses by which a client would reach our own machine's
// local services.
func reachable(address string) error {
	if ip := net.ParseIP(address); ip == nil || !ip.IsGlobalUnicast() {
		return errors.New("address not allowed")
	}
	return nil
}

func (c *connections) proxyNode(ctx context.Context, id string, options object, responder rest.Responder) (http.Handler, error) {
	o, ok := options.(*corev1.NodeProxyOptions)
	if !ok {
		return nil, fmt.Errorf("invalid options object: %#v", options)
	}
	scheme, name, port, valid := utilnet.SplitSchemeNamePort(id)
	if !valid {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("invalid node request %q", id))
	}
	u, err := c.node(ctx, name)
	if err != nil {
		return nil, err
	}
	if port == "" || port == u.Port() {
		return pass(u, o.Path, c.kubelet, responder), nil
	}
	if net.ParseIP(u.Hostname()) != nil {
		if err := reachable(u.Hostname()); err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
	}
	return pass(&url.URL{Scheme: scheme, Host: net.JoinHostPort(u.Hostname(), port)}, o.Path, c.anything, responder), nil
}

func (c *connections) proxyService(ctx context.Context, id string, options object, responder rest.Responder) (http.Handler, error) {
	o, ok := options.(*corev1.ServiceProxyOptions)
	if !ok {
		return nil, fmt.Errorf("invalid options object: %#v", options)
	}
	scheme, name, port, valid := utilnet.SplitSchemeNamePort(id)
	if !valid {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("invalid service request %q", id))
	}
	namespace := genericrequest.NamespaceValue(ctx)
	if number, err := strconv.Atoi(port); err == nil {
		if port, err = c.portName(ctx, namespace, name, number); err != nil {
			return nil, err
		}
	}
	endpoints, err := c.objects.Endpoints(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	host := c.endpoint(ctx, endpoints, port)
	if host == "" {
		return nil, apierrors.NewServiceUnavailable(fmt.Sprintf("no endpoints available for service %q", id))
	}
	return pass(&url.URL{Scheme: scheme, Host: host}, o.Path, c.anything, responder), nil
}

// portName is what a service calls its port of that number.
func (c *connections) portName(ctx context.Context, namespace, name string, number int) (string, error) {
	service, err := c.objects.Service(ctx, namespace, name)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return int(p.Port) == number })
	if i < 0 {
		return "", apierrors.NewServiceUnavailable(fmt.Sprintf("no service port %d found for service %q", number, name))
	}
	return service.Spec.Ports[i].Name, nil
}

// endpoint is a random one of those that are pods, empty when there is none.
func (c *connections) endpoint(ctx context.Context, e *corev1.Endpoints, port string) string {
	var all []string
	for _, subset := range e.Subsets {
		i := slices.IndexFunc(subset.Ports, func(p corev1.EndpointPort) bool { return p.Name == port })
		if i < 0 {
			continue
		}
		for _, address := range subset.Addresses {
			all = append(all, net.JoinHostPort(address.IP, strconv.Itoa(int(subset.Ports[i].Port))))
		}
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, one := range all {
		if host, _, err := net.SplitHostPort(one); err == nil && c.isPod(ctx, e, host) {
			return one
		}
	}
	return ""
}

// isPod: endpoints can be written by anyone who may, so an address counts only
// when a pod of the same namespace has it.
func (c *connections) isPod(ctx context.Context, e *corev1.Endpoints, address string) bool {
	for _, subset := range e.Subsets {
		for _, one := range subset.Addresses {
			if one.IP != address || one.TargetRef == nil || one.TargetRef.Namespace != e.Namespace {
				continue
			}
			pod, err := c.objects.Pod(ctx, e.Namespace, one.TargetRef.Name)
			if err == nil && slices.Contains(pod.Status.PodIPs, corev1.PodIP{IP: address}) {
				return true
			}
		}
	}
	return false
}
