package eviction

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Signal is something of which the node can run short.
type Signal string

// The signals, by Kubernetes' names.
const (
	MemoryAvailable   Signal = "memory.available"
	NodeFSAvailable   Signal = "nodefs.available"
	NodeFSInodesFree  Signal = "nodefs.inodesFree"
	ImageFSAvailable  Signal = "imagefs.available"
	ImageFSInodesFree Signal = "imagefs.inodesFree"
	PIDAvailable      Signal = "pid.available"
)

// Threshold is met when less is available than its quantity or its share of
// the capacity, whichever is set; of both, the lesser.
type Threshold struct {
	Signal   Signal
	Quantity int64   // bytes or pieces
	Share    float64 // 0.1 is a tenth
}

// enoughDisk is enough to go on with, however large the disk is: a node with a
// disk of a terabyte need not turn pods away with 150 GB to spare.
const enoughDisk = 10 << 30

// DefaultThresholds are Kubernetes' own, but for enoughDisk.
func DefaultThresholds() []Threshold {
	return []Threshold{
		{Signal: MemoryAvailable, Quantity: 100 << 20},
		{Signal: NodeFSAvailable, Share: 0.10, Quantity: enoughDisk},
		{Signal: NodeFSInodesFree, Share: 0.05},
		{Signal: ImageFSAvailable, Share: 0.15, Quantity: enoughDisk},
		{Signal: ImageFSInodesFree, Share: 0.05},
	}
}

// Amount is bytes, or pieces of inodes and processes. A capacity of 0 is not
// known, and never short.
type Amount struct{ Available, Capacity int64 }

// Observation is the node at one moment.
type Observation struct {
	Signals map[Signal]Amount
	// DedicatedImageFS says that images and writable layers do not lie on the
	// file system of the node's own files.
	DedicatedImageFS bool
}

// shortage is a threshold that is met.
type shortage struct {
	Threshold
	available, quantity int64
}

// met lists the thresholds that are, memory first.
func (m *Manager) met(o Observation) (met []shortage) {
	for _, t := range m.o.Thresholds {
		amount, ok := o.Signals[t.Signal]
		if !ok || amount.Capacity == 0 {
			continue
		}
		quantity := t.Quantity
		if share := int64(t.Share * float64(amount.Capacity)); t.Share > 0 && (quantity == 0 || share < quantity) {
			quantity = share
		}
		if amount.Available < quantity {
			met = append(met, shortage{t, amount.Available, quantity})
		}
	}
	slices.SortStableFunc(met, func(a, b shortage) int { return a.order() - b.order() })
	return met
}

func (s shortage) order() int {
	if s.Signal == MemoryAvailable {
		return 0
	}
	return 1
}

func (s shortage) condition() corev1.NodeConditionType {
	switch s.Signal {
	case MemoryAvailable:
		return corev1.NodeMemoryPressure
	case PIDAvailable:
		return corev1.NodePIDPressure
	}
	return corev1.NodeDiskPressure
}

func (s shortage) resource() corev1.ResourceName {
	switch s.Signal {
	case MemoryAvailable:
		return corev1.ResourceMemory
	case PIDAvailable:
		return "pids"
	case NodeFSInodesFree, ImageFSInodesFree:
		return "inodes"
	}
	return corev1.ResourceEphemeralStorage
}

// text writes an amount as the signal's kind of quantity.
func (s shortage) text(n int64) string {
	format := resource.BinarySI
	if r := s.resource(); r == "pids" || r == "inodes" {
		format = resource.DecimalSI
	}
	return resource.NewQuantity(n, format).String()
}
