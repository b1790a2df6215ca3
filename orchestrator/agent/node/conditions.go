package node

import (
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// change is a condition whose status is another now.
type change struct {
	event string // the reason of the event that tells of it
}

// pressureWords are a condition's reasons, messages and events in the kubelet's
// words: without and with pressure.
type pressureWords struct {
	kind                      v1.NodeConditionType
	fine, fineMessage, event  string
	bad, badMessage, badEvent string
}

func pressures() []pressureWords {
	return []pressureWords{
		{v1.NodeMemoryPressure, "KubeletHasSufficientMemory", "kubelet has sufficient memory available", "NodeHasSufficientMemory",
			"KubeletHasInsufficientMemory", "kubelet has insufficient memory available", "NodeHasInsufficientMemory"},
		{v1.NodeDiskPressure, "KubeletHasNoDiskPressure", "kubelet has no disk pressure", "NodeHasNoDiskPressure",
			"KubeletHasDiskPressure", "kubelet has disk pressure", "NodeHasDiskPressure"},
		{v1.NodePIDPressure, "KubeletHasSufficientPID", "kubelet has sufficient PID available", "NodeHasSufficientPID",
			"KubeletHasInsufficientPID", "kubelet has insufficient PID available", "NodeHasInsufficientPID"},
	}
}

// setConditions sets the agent's conditions, Ready last, and returns which of
// them changed.
func setConditions(node *v1.Node, trouble error, p Pressure, now time.Time) []change {
	var changes []change
	under := map[v1.NodeConditionType]bool{v1.NodeMemoryPressure: p.Memory, v1.NodeDiskPressure: p.Disk, v1.NodePIDPressure: p.PID}
	for _, words := range pressures() {
		c := v1.NodeCondition{Type: words.kind, Status: v1.ConditionFalse, Reason: words.fine, Message: words.fineMessage}
		event := words.event
		if under[words.kind] {
			c.Status, c.Reason, c.Message, event = v1.ConditionTrue, words.bad, words.badMessage, words.badEvent
		}
		if set(node, c, now) {
			changes = append(changes, change{event})
		}
	}
	ready := v1.NodeCondition{Type: v1.NodeReady, Status: v1.ConditionTrue, Reason: "KubeletReady", Message: "kubelet is posting ready status"}
	event := "NodeReady"
	if trouble != nil {
		ready.Status, ready.Reason, ready.Message, event = v1.ConditionFalse, "KubeletNotReady", trouble.Error(), "NodeNotReady"
	}
	if set(node, ready, now) {
		changes = append(changes, change{event})
	}
	return changes
}

// set puts the condition into the status and says whether its status is new.
func set(node *v1.Node, c v1.NodeCondition, now time.Time) bool {
	c.LastHeartbeatTime = metav1.NewTime(now).Rfc3339Copy()
	c.LastTransitionTime = c.LastHeartbeatTime
	for i := range node.Status.Conditions {
		old := &node.Status.Conditions[i]
		if old.Type != c.Type {
			continue
		}
		changed := old.Status != c.Status
		if !changed {
			c.LastTransitionTime = old.LastTransitionTime
		}
		*old = c
		return changed
	}
	node.Status.Conditions = append(node.Status.Conditions, c)
	return true
}

// announce sends the events that belong to what was written.
func (n *Node) announce(changes []change, node *v1.Node) {
	ref := n.reference()
	if !n.announced {
		n.announced = true
		n.o.Events.Event(ref, v1.EventTypeNormal, "Starting", "Starting kubelet.")
	}
	for _, c := range changes {
		n.o.Events.Eventf(ref, v1.EventTypeNormal, c.event, "Node %s status is now: %s", n.o.Name, c.event)
	}
	for _, c := range node.Status.Conditions {
		if c.Type != v1.NodeReady {
			continue
		}
		n.metrics.ready.Set(0)
		if c.Status == v1.ConditionTrue {
			n.metrics.ready.Set(1)
			n.becomeReady()
		}
	}
}

func (n *Node) becomeReady() {
	select {
	case <-n.ready:
	default:
		close(n.ready)
	}
}

// reference is how events name the node: like the kubelet's, by name for uid.
func (n *Node) reference() *v1.ObjectReference {
	return &v1.ObjectReference{Kind: "Node", APIVersion: "v1", Name: n.o.Name, UID: n.uid()}
}
