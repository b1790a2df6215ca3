package forwardinput

// recent is a set of the last ids.
type recent struct {
	known map[string]struct{}
	ring  []string
	next  int
}

func newRecent(size int) *recent {
	return &recent{known: make(map[string]struct{}), ring: make([]string, size)}
}

func (r *recent) has(id string) bool {
	_, ok := r.known[id]
	return ok
}

// add makes room by forgetting the oldest.
func (r *recent) add(id string) {
	if r.has(id) {
		return
	}
	delete(r.known, r.ring[r.next])
	r.ring[r.next] = id
	r.next = (r.next + 1) % len(r.ring)
	r.known[id] = struct{}{}
}
