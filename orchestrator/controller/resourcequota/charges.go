package resourcequota

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// increases reports whether any figure has grown.
func increases(old, current corev1.ResourceList) bool {
	for n, v := range current {
		if before, ok := old[n]; ok && v.Cmp(before) > 0 {
			return true
		}
	}
	return false
}

func (c *Controller) noteCharge(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.charges[key]
	known.last = c.clock.Now()
	c.charges[key] = known
}

func (c *Controller) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.charges, key)
}

// postpone reports whether a count must not be stored yet: it is lower than
// what admission has charged just now, perhaps for an object that is still on
// its way.
func (c *Controller) postpone(key string, stored, counted corev1.ResourceList) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, charged := c.charges[key]
	if !charged {
		return false
	}
	now := c.clock.Now()
	wait := increases(counted, stored) && now.Sub(known.last) < inFlight
	switch {
	case !wait:
		known.postponed = time.Time{}
	case known.postponed.IsZero():
		known.postponed = now
	case now.Sub(known.postponed) >= maxPostponed:
		known.postponed, wait = time.Time{}, false
	}
	c.charges[key] = known
	return wait
}
