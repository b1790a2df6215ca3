// Package snapshot keeps what the scheduler knows of nodes and pods, updated
// change by change. It is the data of one scheduler: nothing in it may be used
// by two goroutines at once.
package snapshot

import (
	"maps"
	"reflect"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// Snapshot is the state of the cluster. Every change gives the node that it
// touches a new generation and moves it to the front of the list that Newest
// begins, so that a reader finds what changed since it last looked without
// looking at the rest.
type Snapshot struct {
	nodes      map[string]*Node
	slots      []*Node // nil: free
	free       []int
	known      int // nodes that have an object
	newest     *Node
	generation uint64
	membership uint64
	epoch      uint64
	hostnames  map[string]int // nodes by their hostname label
	hosts      int            // nodes that have one
	images     map[string]int // nodes by image name

	pods       map[types.UID]*Pod // on nodes, or assumed to be
	templates  map[string]*Template
	concerns   map[string]*Concern // of the pods on nodes
	counters   map[string]*Counter
	buffer     []byte // for keys
	namespaces map[string]labels.Set
	services   map[string]map[string]labels.Selector // by namespace and name
	claims     map[string]*v1.PersistentVolumeClaim  // by namespace/name
	classes    map[string]*storagev1.StorageClass    // by name
	volumes    map[string]*v1.PersistentVolume
}

// New returns an empty snapshot.
func New() *Snapshot {
	return &Snapshot{
		nodes: map[string]*Node{}, hostnames: map[string]int{}, images: map[string]int{}, pods: map[types.UID]*Pod{},
		templates: map[string]*Template{}, concerns: map[string]*Concern{}, counters: map[string]*Counter{},
		namespaces: map[string]labels.Set{}, services: map[string]map[string]labels.Selector{},
		claims: map[string]*v1.PersistentVolumeClaim{}, classes: map[string]*storagev1.StorageClass{}, volumes: map[string]*v1.PersistentVolume{},
	}
}

// Len is the number of nodes.
func (s *Snapshot) Len() int { return s.known }

// Slots is the nodes by slot; free slots are nil, and nodes that are only
// known by their pods have no object.
func (s *Snapshot) Slots() []*Node { return s.slots }

// Node returns a node by name, or nil.
func (s *Snapshot) Node(name string) *Node {
	if n := s.nodes[name]; n != nil && n.Object != nil {
		return n
	}
	return nil
}

// Pod returns a placed pod, or nil.
func (s *Snapshot) Pod(uid types.UID) *Pod { return s.pods[uid] }

// Newest is the node that changed last.
func (s *Snapshot) Newest() *Node { return s.newest }

// Generation grows with every change of any node.
func (s *Snapshot) Generation() uint64 { return s.generation }

// Membership grows when nodes come or go, or all counters were counted anew.
func (s *Snapshot) Membership() uint64 { return s.membership }

// Epoch grows when something changed that bears on all nodes at once:
// services, namespaces, volumes, or pods with terms of a new kind.
func (s *Snapshot) Epoch() uint64 { return s.epoch }

// UniqueHosts says that no two nodes have the same hostname label.
func (s *Snapshot) UniqueHosts() bool {
	return s.hosts == len(s.hostnames)
}

// NodesWithImage is the number of nodes that have the image.
func (s *Snapshot) NodesWithImage(name string) int { return s.images[name] }

// Change is what an update of a node did.
type Change uint8

// Kinds of changes, as bits.
const (
	NodeAdded Change = 1 << iota
	NodeAllocatable
	NodeLabels
	NodeTaints // or spec.unschedulable
	NodeImages
)

// SetNode adds or updates a node and says what changed.
func (s *Snapshot) SetNode(object *v1.Node) Change {
	n := s.nodes[object.Name]
	if n == nil {
		n = s.addSlot(object.Name)
	}
	old := n.Object
	change := nodeChange(old, object)
	s.shape(old, -1)
	s.shape(object, 1)
	n.Object = object
	if old == nil {
		s.known++
		s.membership++
	}
	if change&^NodeImages != 0 || old == nil {
		n.Allocatable = NewResource(object.Status.Allocatable)
		n.AllowedPods = int(object.Status.Allocatable.Pods().Value())
	}
	if change == 0 {
		return 0
	}
	s.touch(n)
	if change&^NodeAllocatable != 0 {
		n.Shape = n.Generation
		n.images = imagesOf(object)
	}
	return change
}

// shape keeps the indexes of what nodes have.
func (s *Snapshot) shape(node *v1.Node, delta int) {
	if node == nil {
		return
	}
	if host, has := node.Labels[v1.LabelHostname]; has {
		bump(s.hostnames, host, delta)
		s.hosts += delta
	}
	for i := range node.Status.Images {
		for _, name := range node.Status.Images[i].Names {
			bump(s.images, name, delta)
		}
	}
}

func bump(m map[string]int, key string, delta int) {
	if m[key] += delta; m[key] <= 0 {
		delete(m, key)
	}
}

func nodeChange(old, current *v1.Node) Change {
	if old == nil {
		return NodeAdded | NodeAllocatable | NodeLabels | NodeTaints | NodeImages
	}
	var c Change
	if !reflect.DeepEqual(old.Status.Allocatable, current.Status.Allocatable) {
		c |= NodeAllocatable
	}
	if !maps.Equal(old.Labels, current.Labels) {
		c |= NodeLabels
	}
	if old.Spec.Unschedulable != current.Spec.Unschedulable || !reflect.DeepEqual(old.Spec.Taints, current.Spec.Taints) {
		c |= NodeTaints
	}
	if !reflect.DeepEqual(old.Status.Images, current.Status.Images) {
		c |= NodeImages
	}
	return c
}

// RemoveNode removes a node. Its pods stay until they are removed themselves.
func (s *Snapshot) RemoveNode(name string) {
	n := s.nodes[name]
	if n == nil || n.Object == nil {
		return
	}
	s.shape(n.Object, -1)
	n.Object, n.images = nil, nil
	n.Allocatable, n.AllowedPods = Resource{}, 0
	s.known--
	s.membership++
	for len(n.Nominated) > 0 {
		s.Unnominate(n.Nominated[0])
	}
	s.touch(n)
	n.Shape = n.Generation
	s.collect(n)
}

func (s *Snapshot) addSlot(name string) *Node {
	n := &Node{Name: name, Slot: len(s.slots), Ports: Ports{}}
	if last := len(s.free) - 1; last >= 0 {
		n.Slot = s.free[last]
		s.free = s.free[:last]
		s.slots[n.Slot] = n
	} else {
		s.slots = append(s.slots, n)
	}
	s.nodes[name] = n
	s.touch(n)
	return n
}

// collect forgets a node without object and pods. Who looks only at what
// changed sees that by Membership.
func (s *Snapshot) collect(n *Node) {
	if n.Object != nil || len(n.Pods) > 0 {
		return
	}
	s.unlink(n)
	delete(s.nodes, n.Name)
	s.slots[n.Slot] = nil
	s.free = append(s.free, n.Slot)
	s.membership++
}

func (s *Snapshot) touch(n *Node) {
	s.generation++
	n.Generation = s.generation
	if s.newest == n {
		return
	}
	s.unlink(n)
	if n.next = s.newest; n.next != nil {
		n.next.prev = n
	}
	s.newest = n
}

func (s *Snapshot) unlink(n *Node) {
	if n.prev != nil {
		n.prev.next = n.next
	}
	if n.next != nil {
		n.next.prev = n.prev
	}
	if s.newest == n {
		s.newest = n.next
	}
	n.prev, n.next = nil, nil
}
