package snapshot

import (
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// NewPod makes a pod that shares its template with others like it. Release
// gives it back.
func (s *Snapshot) NewPod(object *v1.Pod) *Pod {
	p := &Pod{Object: object, Terminating: object.DeletionTimestamp != nil}
	p.Template = s.intern(object)
	p.Template.refs++
	return p
}

// Release forgets a pod that is on no node.
func (s *Snapshot) Release(p *Pod) {
	s.Unnominate(p)
	s.unref(p.Template)
}

func (s *Snapshot) unref(t *Template) {
	if t.refs--; t.refs == 0 {
		delete(s.templates, t.key)
	}
}

// Renew gives a waiting pod its new object; it says whether that changes how
// it is to be placed.
func (s *Snapshot) Renew(p *Pod, object *v1.Pod) bool {
	old := p.Template
	p.Object, p.Terminating = object, p.ends(object)
	p.Template = s.intern(object)
	p.Template.refs++
	s.unref(old)
	if p.nominated != nil && p.Template != old {
		s.touch(p.nominated)
	}
	return p.Template != old
}

func (s *Snapshot) intern(object *v1.Pod) *Template {
	s.buffer = appendKey(s.buffer[:0], object)
	if t := s.templates[string(s.buffer)]; t != nil {
		return t
	}
	t := newTemplate(string(s.buffer), object)
	s.templates[t.key] = t
	for _, c := range s.counters {
		if c.match(t) {
			t.counters = append(t.counters, c)
		}
	}
	return t
}

// Templates is the number of templates known.
func (s *Snapshot) Templates() int { return len(s.templates) }

// Assume places a pod before the API server has confirmed it.
func (s *Snapshot) Assume(p *Pod, n *Node) {
	p.Assumed = true
	s.Unnominate(p)
	s.pods[p.Object.UID] = p
	s.put(p, n)
}

// Place records that the API server has the pod on a node. It returns the
// pod as it was known before, on whatever node, or nil, and the pod now.
func (s *Snapshot) Place(object *v1.Pod) (before *Was, now *Pod) {
	p := s.pods[object.UID]
	if p == nil {
		p = s.NewPod(object)
		s.pods[object.UID] = p
		s.put(p, s.named(object.Spec.NodeName))
		return nil, p
	}
	before = &Was{Template: p.Template, Node: p.node.Name, Terminating: p.Terminating, Assumed: p.Assumed}
	p.Assumed = false
	s.update(p, object, object.Spec.NodeName)
	return before, p
}

// Update gives an assumed pod its new object, which knows no node yet.
func (s *Snapshot) Update(p *Pod, object *v1.Pod) { s.update(p, object, p.node.Name) }

func (s *Snapshot) update(p *Pod, object *v1.Pod, node string) {
	if s.intern(object) == p.Template && p.node.Name == node && p.Terminating == p.ends(object) {
		p.Object = object
		return
	}
	s.take(p)
	s.Renew(p, object)
	s.put(p, s.named(node))
}

// Was is what was known of a placed pod before a change.
type Was struct {
	Template    *Template
	Node        string
	Terminating bool
	Assumed     bool
}

// Remove takes a placed pod off its node and forgets it; nil when it was not
// known.
func (s *Snapshot) Remove(uid types.UID) *Pod {
	p := s.pods[uid]
	if p == nil {
		return nil
	}
	s.take(p)
	delete(s.pods, uid)
	s.unref(p.Template)
	return p
}

// Unassume takes an assumed pod off its node again, to wait once more.
func (s *Snapshot) Unassume(p *Pod) {
	s.take(p)
	delete(s.pods, p.Object.UID)
	p.Assumed = false
}

func (p *Pod) ends(object *v1.Pod) bool { return p.condemned || object.DeletionTimestamp != nil }

// Revive takes MarkTerminating back, from the pod's next object on.
func (s *Snapshot) Revive(uid types.UID) {
	if p := s.pods[uid]; p != nil {
		p.condemned = false
	}
}

// MarkTerminating records that the pod will end, before the API server says
// so.
func (s *Snapshot) MarkTerminating(p *Pod) {
	p.condemned = true
	if p.Terminating {
		return
	}
	node := p.node.Name
	s.take(p)
	p.Terminating = true
	s.put(p, s.named(node))
}

func (s *Snapshot) named(node string) *Node {
	if n := s.nodes[node]; n != nil {
		return n
	}
	n := s.addSlot(node)
	s.membership++
	return n
}

func (s *Snapshot) put(p *Pod, n *Node) {
	n.addPod(p)
	for _, c := range p.Template.counters {
		if !c.live || !p.Terminating {
			c.add(n, 1)
		}
	}
	if p.Template.placed++; p.Template.placed == 1 {
		s.concern(p.Template)
	}
	s.touch(n)
}

func (s *Snapshot) take(p *Pod) {
	n := p.node
	n.removePod(p)
	for _, c := range p.Template.counters {
		if !c.live || !p.Terminating {
			c.add(n, -1)
		}
	}
	if p.Template.placed--; p.Template.placed == 0 {
		s.unconcern(p.Template)
	}
	s.touch(n)
	s.collect(n)
}

// Nominate reserves room on a node for a pod that waits for its victims to
// end.
func (s *Snapshot) Nominate(p *Pod, n *Node) {
	if p.nominated == n {
		return
	}
	s.Unnominate(p)
	p.nominated = n
	n.Nominated = append(n.Nominated, p)
	s.touch(n)
}

// Unnominate ends the reservation, when there is one.
func (s *Snapshot) Unnominate(p *Pod) {
	n := p.nominated
	if n == nil {
		return
	}
	if i := slices.Index(n.Nominated, p); i >= 0 {
		n.Nominated = slices.Delete(n.Nominated, i, i+1)
	}
	p.nominated = nil
	s.touch(n)
}
