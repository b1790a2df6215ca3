package snapshot

import (
	"strings"

	v1 "k8s.io/api/core/v1"
)

// Node is a node with what its pods take of it. Readers must not change it.
type Node struct {
	Slot        int // dense index; used again after the node has gone
	Name        string
	Object      *v1.Node // nil while pods are known on a node that is not
	Allocatable Resource
	AllowedPods int
	Requested   Resource
	NonZero     Resource // for scoring
	Pods        []*Pod   // in no order
	Nominated   []*Pod   // that wait for victims on this node to end
	Ports       Ports

	// Generation grows with every change of the node or its pods, Shape only
	// with those of labels, taints, spec.unschedulable and images.
	Generation, Shape uint64

	images     map[string]int64 // bytes, by each name of the image
	prev, next *Node            // in order of Generation, the newest first
}

// Pod is a pod as the scheduler sees it.
type Pod struct {
	Object      *v1.Pod
	Template    *Template
	Terminating bool
	Assumed     bool // placed by us, and not yet seen on the node

	condemned bool  // Terminating by our own decision, whatever the object says
	node      *Node // nil while it waits
	index     int   // in node.Pods
	nominated *Node
}

// Node is where the pod is, or nil.
func (p *Pod) Node() *Node { return p.node }

// Nominated is the node whose victims the pod waits for, or nil.
func (p *Pod) Nominated() *Node { return p.nominated }

// Image is the size in bytes of an image on the node, 0 when it is not there.
func (n *Node) Image(name string) int64 { return n.images[name] }

// Next is the node that changed last before this one did, or nil.
func (n *Node) Next() *Node { return n.next }

func (n *Node) addPod(p *Pod) {
	p.node, p.index = n, len(n.Pods)
	n.Pods = append(n.Pods, p)
	n.Requested.Add(&p.Template.Requests, 1)
	n.NonZero.Add(&p.Template.NonZero, 1)
	n.Ports.add(p.Template.Ports, 1)
}

func (n *Node) removePod(p *Pod) {
	last := n.Pods[len(n.Pods)-1]
	n.Pods[p.index], last.index = last, p.index
	n.Pods[len(n.Pods)-1] = nil
	n.Pods = n.Pods[:len(n.Pods)-1]
	n.Requested.Add(&p.Template.Requests, -1)
	n.NonZero.Add(&p.Template.NonZero, -1)
	n.Ports.add(p.Template.Ports, -1)
	p.node = nil
}

func imagesOf(node *v1.Node) map[string]int64 {
	images := make(map[string]int64, len(node.Status.Images))
	for i := range node.Status.Images {
		for _, name := range node.Status.Images[i].Names {
			images[name] = node.Status.Images[i].SizeBytes
		}
	}
	return images
}

// imageName adds the tag that is meant when none is given.
func imageName(image string) string {
	if strings.LastIndex(image, ":") <= strings.LastIndex(image, "/") {
		return image + ":latest"
	}
	return image
}
