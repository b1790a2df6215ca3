package exposition

import (
	"cmp"
	"slices"

	"github.com/lubberline/lubberline/collector/reading"
)

// pod is the containers of one pod.
type pod struct {
	namespace, name, uid string
	// cgroup is the pod's own cgroup, nil where the runtime makes none.
	cgroup *reading.Container
	// sandbox owns the network; nil where a container has its own.
	sandbox    *reading.Container
	containers []*reading.Container // sorted by name
}

// node is what runs on the machine, sorted out.
type node struct {
	root   *reading.Container // the cgroup "/"; may be nil
	pods   []*pod             // sorted by namespace and name
	system []*reading.Container
}

// group sorts containers into pods. What has no identity yet is left out: it
// would be a system container now and a container a moment later.
func group(cs []*reading.Container) node {
	var n node
	pods := make(map[[3]string]*pod)
	byUID := make(map[string]*pod)
	var cgroups []*reading.Container
	for _, c := range cs {
		switch id := c.Identity; {
		case c.ID == "/":
			n.root = c
		case id == nil:
		case id.ContainerID != "":
			n.podOf(pods, byUID, id).add(c)
		case id.PodUID != "":
			cgroups = append(cgroups, c)
		default:
			n.system = append(n.system, c)
		}
	}
	for _, c := range cgroups {
		if p := byUID[c.Identity.PodUID]; p != nil {
			p.cgroup = c
		}
	}
	n.sort()
	return n
}

func (n *node) podOf(pods map[[3]string]*pod, byUID map[string]*pod, id *reading.Identity) *pod {
	key := [3]string{id.Namespace, id.Pod, id.PodUID}
	p := pods[key]
	if p == nil {
		p = &pod{namespace: id.Namespace, name: id.Pod, uid: id.PodUID}
		if p.uid == "" {
			p.uid = id.ContainerID // the pod of a single container
		}
		pods[key] = p
		byUID[p.uid] = p
		n.pods = append(n.pods, p)
	}
	return p
}

func (p *pod) add(c *reading.Container) {
	if c.Identity.Sandbox {
		p.sandbox = c
		return
	}
	p.containers = append(p.containers, c)
}

func (n *node) sort() {
	slices.SortFunc(n.pods, func(a, b *pod) int {
		return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name), cmp.Compare(a.uid, b.uid))
	})
	for _, p := range n.pods {
		slices.SortFunc(p.containers, func(a, b *reading.Container) int {
			return cmp.Or(cmp.Compare(a.Identity.Container, b.Identity.Container), cmp.Compare(a.ID, b.ID))
		})
	}
	slices.SortFunc(n.system, func(a, b *reading.Container) int { return cmp.Compare(a.ID, b.ID) })
}

// total is a field of the whole pod: of its own cgroup, or else the sum of its
// containers. ok is false when nothing is known.
func (p *pod) total(f reading.Field) (v uint64, ok bool) {
	if p.cgroup != nil {
		if v, known := p.cgroup.Sample.Get(f); known {
			return v, true
		}
	}
	return p.sum(f)
}

// sum is a field of all containers together; ok is false when nothing is known.
func (p *pod) sum(f reading.Field) (sum uint64, ok bool) {
	for _, c := range p.all() {
		if v, known := c.Sample.Get(f); known {
			sum, ok = sum+v, true
		}
	}
	return sum, ok
}

// all is the containers and the sandbox.
func (p *pod) all() []*reading.Container {
	if p.sandbox == nil {
		return p.containers
	}
	return append(slices.Clip(p.containers), p.sandbox)
}

// newest is the time of the pod's newest sample, in nanoseconds.
func (p *pod) newest() int64 {
	var newest int64
	if p.cgroup != nil {
		newest = p.cgroup.Sample.Time
	}
	for _, c := range p.all() {
		newest = max(newest, c.Sample.Time)
	}
	return newest
}
