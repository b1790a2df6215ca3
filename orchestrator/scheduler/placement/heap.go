package placement

// group is the nodes that no term over domains tells apart. Those that may be
// chosen are a heap, the best one on top.
type group struct {
	domains []int32 // by term: the domain, or of a local term the count; -1: no label
	heap    []*entry
}

func (a *entry) better(b *entry) bool {
	if a.score != b.score {
		return a.score > b.score
	}
	return a.tie > b.tie
}

func (g *group) push(e *entry) {
	e.position = len(g.heap)
	g.heap = append(g.heap, e)
	g.up(e.position)
}

func (g *group) remove(e *entry) {
	i, last := e.position, len(g.heap)-1
	e.position = -1
	moved := g.heap[last]
	g.heap[last] = nil
	g.heap = g.heap[:last]
	if i == last {
		return
	}
	g.heap[i], moved.position = moved, i
	g.fix(i)
}

func (g *group) fix(i int) {
	if g.up(i) == i {
		g.down(i)
	}
}

func (g *group) up(i int) int {
	for i > 0 {
		parent := (i - 1) / 2
		if !g.heap[i].better(g.heap[parent]) {
			break
		}
		g.swap(i, parent)
		i = parent
	}
	return i
}

func (g *group) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(g.heap) {
			return
		}
		if right := child + 1; right < len(g.heap) && g.heap[right].better(g.heap[child]) {
			child = right
		}
		if !g.heap[child].better(g.heap[i]) {
			return
		}
		g.swap(i, child)
		i = child
	}
}

func (g *group) swap(i, j int) {
	g.heap[i], g.heap[j] = g.heap[j], g.heap[i]
	g.heap[i].position, g.heap[j].position = i, j
}
