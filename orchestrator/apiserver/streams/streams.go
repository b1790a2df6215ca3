// Package streams passes on what happens inside nodes and pods: logs, exec,
// attach, port-forward and the HTTP of pods, services and kubelets. It finds out
// where to, and shows the kubelet the API server's certificate; the bytes are
// the library's to move.
package streams

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/registry/rest"
)

// Objects are where things run. An object that is not there is an error; what
// is returned is only read.
type Objects interface {
	Pod(ctx context.Context, namespace, name string) (*corev1.Pod, error)
	Node(ctx context.Context, name string) (*corev1.Node, error)
	Service(ctx context.Context, namespace, name string) (*corev1.Service, error)
	Endpoints(ctx context.Context, namespace, name string) (*corev1.Endpoints, error)
}

// Options are what the subresources are made with.
type Options struct {
	Objects Objects
	// KubeletTLS verifies kubelets and shows them who we are.
	KubeletTLS *tls.Config
}

// Subresources are the storages by path.
func Subresources(o Options) map[string]rest.Storage {
	c := &connections{
		objects: o.Objects,
		kubelet: &http.Transport{TLSClientConfig: o.KubeletTLS, MaxIdleConnsPerHost: 2},
		// Pods and services have certificates of their own, if any.
		anything: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 2}, //nolint:gosec // as Kubernetes does
	}
	return map[string]rest.Storage{
		"pods/log":         &logREST{c},
		"pods/exec":        &connectREST{options: func() object { return &corev1.PodExecOptions{} }, methods: upgrading(), connect: c.exec},
		"pods/attach":      &connectREST{options: func() object { return &corev1.PodAttachOptions{} }, methods: upgrading(), connect: c.attach},
		"pods/portforward": &connectREST{options: func() object { return &corev1.PodPortForwardOptions{} }, methods: upgrading(), connect: c.portForward},
		"pods/proxy":       &connectREST{options: func() object { return &corev1.PodProxyOptions{} }, methods: everyMethod(), path: true, connect: c.proxyPod},
		"nodes/proxy":      &connectREST{options: func() object { return &corev1.NodeProxyOptions{} }, methods: everyMethod(), path: true, connect: c.proxyNode},
		"services/proxy":   &connectREST{options: func() object { return &corev1.ServiceProxyOptions{} }, methods: everyMethod(), path: true, connect: c.proxyService},
	}
}

// upgrading are the methods that a connection is upgraded from; browsers use
// GET for WebSockets.
func upgrading() []string { return []string{http.MethodGet, http.MethodPost} }

func everyMethod() []string {
	return []string{
		http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodHead, http.MethodOptions,
	}
}

// connections knows where nodes, pods and services are.
type connections struct {
	objects           Objects
	kubelet, anything *http.Transport
}

const kubeletPort = 10250

// node is where a node's kubelet answers.
func (c *connections) node(ctx context.Context, name string) (*url.URL, error) {
	node, err := c.objects.Node(ctx, name)
	if err != nil {
		return nil, err
	}
	port := int(node.Status.DaemonEndpoints.KubeletEndpoint.Port)
	if port == 0 {
		port = kubeletPort
	}
	for _, kind := range []corev1.NodeAddressType{corev1.NodeInternalIP, corev1.NodeHostName, corev1.NodeExternalIP} {
		for _, address := range node.Status.Addresses {
			if address.Type == kind && address.Address != "" {
				return &url.URL{Scheme: "https", Host: net.JoinHostPort(address.Address, strconv.Itoa(port))}, nil
			}
		}
	}
	return nil, fmt.Errorf("no preferred addresses found; known addresses: %v", node.Status.Addresses)
}

// container is the place of a pod's container below a path of the kubelet; it
// is nil when the pod is not on a node yet.
func (c *connections) container(ctx context.Context, pod *corev1.Pod, path, name string) (*url.URL, error) {
	name, err := chooseContainer(pod, name)
	if err != nil || pod.Spec.NodeName == "" {
		return nil, err
	}
	u, err := c.node(ctx, pod.Spec.NodeName)
	if err != nil {
		return nil, err
	}
	u.Path = "/" + strings.Join([]string{path, pod.Namespace, pod.Name, name}, "/")
	return u, nil
}

// chooseContainer is the named container, or the only one.
func chooseContainer(pod *corev1.Pod, name string) (string, error) {
	var all []string
	for _, container := range pod.Spec.InitContainers {
		all = append(all, container.Name)
	}
	for _, container := range pod.Spec.Containers {
		all = append(all, container.Name)
	}
	for _, container := range pod.Spec.EphemeralContainers {
		all = append(all, container.Name)
	}
	if name == "" {
		switch len(pod.Spec.Containers) {
		case 1:
			return pod.Spec.Containers[0].Name, nil
		case 0:
			return "", apierrors.NewBadRequest(fmt.Sprintf("a container name must be specified for pod %s", pod.Name))
		}
		return "", apierrors.NewBadRequest(fmt.Sprintf("a container name must be specified for pod %s, choose one of: %s", pod.Name, all))
	}
	if slices.Contains(all, name) {
		return name, nil
	}
	return "", apierrors.NewBadRequest(fmt.Sprintf("container %s is not valid for pod %s", name, pod.Name))
}

func notOnNode(pod string) error {
	return apierrors.NewBadRequest(fmt.Sprintf("pod %s does not have a host assigned", pod))
}
