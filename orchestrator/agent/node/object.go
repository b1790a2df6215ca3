package node

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// object reads the node's object, and registers the node if there is none.
func (n *Node) object(ctx context.Context) (*v1.Node, error) {
	nodes := n.o.Client.CoreV1().Nodes()
	node, err := nodes.Get(ctx, n.o.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		node, err = nodes.Create(ctx, n.initial(), metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			node, err = nodes.Get(ctx, n.o.Name, metav1.GetOptions{})
		}
	}
	if err != nil {
		return nil, fmt.Errorf("register node %s: %w", n.o.Name, err)
	}
	return n.relabelled(ctx, node)
}

// initial is the object of a machine that the API does not know yet.
func (n *Node) initial() *v1.Node {
	node := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.o.Name, Labels: n.labels(), Annotations: maps.Clone(n.o.Annotations)}}
	node.Spec.Taints = n.o.Taints
	n.setCIDRs(node)
	n.setFacts(node)
	return node
}

func (n *Node) setCIDRs(node *v1.Node) {
	node.Spec.PodCIDRs = slices.Clone(n.o.PodCIDRs)
	if len(n.o.PodCIDRs) > 0 {
		node.Spec.PodCIDR = n.o.PodCIDRs[0]
	}
}

func (n *Node) labels() map[string]string {
	labels := map[string]string{
		v1.LabelHostname: n.o.Hostname, v1.LabelOSStable: runtime.GOOS, v1.LabelArchStable: runtime.GOARCH,
		"beta.kubernetes.io/os": runtime.GOOS, "beta.kubernetes.io/arch": runtime.GOARCH,
	}
	for key, value := range n.o.Labels {
		labels[key] = value
	}
	return labels
}

// relabelled puts labels, annotations and pod addresses that the object lacks on it.
func (n *Node) relabelled(ctx context.Context, node *v1.Node) (*v1.Node, error) {
	next := node.DeepCopy()
	if next.Labels == nil {
		next.Labels = make(map[string]string)
	}
	for key, value := range n.labels() {
		next.Labels[key] = value
	}
	for key, value := range n.o.Annotations {
		metav1.SetMetaDataAnnotation(&next.ObjectMeta, key, value)
	}
	if next.Spec.PodCIDR == "" {
		n.setCIDRs(next)
	}
	if equality.Semantic.DeepEqual(node, next) {
		return node, nil
	}
	body, err := difference(node, next)
	if err != nil {
		return nil, err
	}
	changed, err := n.o.Client.CoreV1().Nodes().Patch(ctx, n.o.Name, types.StrategicMergePatchType, body, metav1.PatchOptions{})
	if err != nil {
		return nil, fmt.Errorf("label node %s: %w", n.o.Name, err)
	}
	return changed, nil
}

func difference(before, after *v1.Node) ([]byte, error) {
	a, err := json.Marshal(before)
	if err != nil {
		return nil, fmt.Errorf("encode node: %w", err)
	}
	b, err := json.Marshal(after)
	if err != nil {
		return nil, fmt.Errorf("encode node: %w", err)
	}
	body, err := strategicpatch.CreateTwoWayMergePatch(a, b, v1.Node{})
	if err != nil {
		return nil, fmt.Errorf("compare nodes: %w", err)
	}
	return body, nil
}

// setFacts sets what the machine is. Resources that others told of stay.
func (n *Node) setFacts(node *v1.Node) {
	s := &node.Status
	if s.Capacity == nil {
		s.Capacity, s.Allocatable = make(v1.ResourceList), make(v1.ResourceList)
	}
	for name, quantity := range n.o.Host.capacity() {
		s.Capacity[name] = quantity
	}
	own := n.o.Allocatable()
	for name, quantity := range s.Capacity {
		if mine, ok := own[name]; ok {
			quantity = mine
		}
		s.Allocatable[name] = quantity
	}
	for name := range s.Allocatable {
		if _, ok := s.Capacity[name]; !ok {
			delete(s.Allocatable, name)
		}
	}
	s.Addresses = nil
	for _, address := range n.o.Addresses {
		s.Addresses = append(s.Addresses, v1.NodeAddress{Type: v1.NodeInternalIP, Address: address})
	}
	s.Addresses = append(s.Addresses, v1.NodeAddress{Type: v1.NodeHostName, Address: n.o.Hostname})
	s.DaemonEndpoints.KubeletEndpoint.Port = n.o.Port
	s.NodeInfo = v1.NodeSystemInfo{
		MachineID: n.o.Host.MachineID, SystemUUID: n.o.Host.SystemUUID, BootID: n.o.Host.BootID,
		KernelVersion: n.o.Host.Kernel, OSImage: n.o.Host.OSImage,
		ContainerRuntimeVersion: n.runtimeVersion, KubeletVersion: n.o.Version,
		OperatingSystem: runtime.GOOS, Architecture: runtime.GOARCH,
	}
	s.Images = n.images
}

// due says that the status is to be written: something but the time of the last
// look has changed, or the last writing is long ago.
func (n *Node) due(current, next *v1.Node, now time.Time) bool {
	if now.Sub(n.reported) >= reportInterval {
		return true
	}
	before, after := current.DeepCopy(), next.DeepCopy()
	for _, conditions := range [][]v1.NodeCondition{before.Status.Conditions, after.Status.Conditions} {
		for i := range conditions {
			conditions[i].LastHeartbeatTime = metav1.Time{}
		}
	}
	return !equality.Semantic.DeepEqual(before.Status, after.Status)
}

// write sends the difference of the statuses.
func (n *Node) write(ctx context.Context, current, next *v1.Node) (*v1.Node, error) {
	// Addresses merge by type, which loses one of two of a type: they go whole.
	body, err := difference(current, next)
	if err != nil {
		return nil, err
	}
	if !equality.Semantic.DeepEqual(current.Status.Addresses, next.Status.Addresses) {
		if body, err = replaceAddresses(body, next.Status.Addresses); err != nil {
			return nil, err
		}
	}
	written, err := n.o.Client.CoreV1().Nodes().Patch(ctx, n.o.Name, types.StrategicMergePatchType, body, metav1.PatchOptions{}, "status")
	if err != nil {
		return nil, fmt.Errorf("write status of node %s: %w", n.o.Name, err)
	}
	n.metrics.writes.Inc()
	return written, nil
}

// replaceAddresses makes the patch set the addresses whatever was there.
func replaceAddresses(body []byte, addresses []v1.NodeAddress) ([]byte, error) {
	var patch map[string]any
	if err := json.Unmarshal(body, &patch); err != nil {
		return nil, fmt.Errorf("compare nodes: %w", err)
	}
	list := []any{map[string]any{"$patch": "replace"}}
	for _, address := range addresses {
		list = append(list, address)
	}
	status, ok := patch["status"].(map[string]any)
	if !ok {
		return body, nil
	}
	delete(status, "$setElementOrder/addresses")
	status["addresses"] = list
	replaced, err := json.Marshal(patch)
	if err != nil {
		return nil, fmt.Errorf("compare nodes: %w", err)
	}
	return replaced, nil
}
