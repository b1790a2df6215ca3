// Package expectations remembers what a controller has written and its cache
// does not show yet. Before the cache shows it, the controller must not count:
// it would create the same pods again, or delete more than it should.
package expectations

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// Object is a dependent that was created or deleted.
type Object struct {
	Namespace, Name string
	UID             types.UID
}

// View is what a controller can see of its dependents.
type View interface {
	// Cached says whether the cache has this very object, and whether it is
	// being deleted there.
	Cached(o Object) (present, deleting bool)
	// Exists asks the API, past the cache.
	Exists(o Object) (bool, error)
}

// Set is the expectations of one controller, by the key of the owner.
type Set struct {
	mu     sync.Mutex
	owners map[string]*owner
}

type owner struct {
	created, deleted map[Object]struct{}
}

// New returns an empty set.
func New() *Set { return &Set{owners: map[string]*owner{}} }

// Created tells that the API has acknowledged the creation of o.
func (s *Set) Created(key string, o Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owner(key).created[o] = struct{}{}
}

// Deleted tells that the API has acknowledged the deletion of o, at once or
// graceful.
func (s *Set) Deleted(key string, o Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owner(key).deleted[o] = struct{}{}
}

func (s *Set) owner(key string) *owner {
	o := s.owners[key]
	if o == nil {
		o = &owner{created: map[Object]struct{}{}, deleted: map[Object]struct{}{}}
		s.owners[key] = o
	}
	return o
}

// Forget drops what is expected for an owner that is gone.
func (s *Set) Forget(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.owners, key)
}

// Met says whether the cache shows everything. What it shows is not expected
// any more.
func (s *Set) Met(key string, v View) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.owners[key]
	if o == nil {
		return true
	}
	for created := range o.created {
		if present, _ := v.Cached(created); present {
			delete(o.created, created)
		}
	}
	for deleted := range o.deleted {
		if present, deleting := v.Cached(deleted); !present || deleting {
			delete(o.deleted, deleted)
		}
	}
	return s.dropIfMet(key, o)
}

func (s *Set) dropIfMet(key string, o *owner) bool {
	if len(o.created)+len(o.deleted) > 0 {
		return false
	}
	delete(s.owners, key)
	return true
}

// Recheck asks the API for created objects that the cache never showed: one that
// was removed between two views of the cache would be awaited for ever. It is
// for expectations that are not met after a while, and answers like Met.
func (s *Set) Recheck(key string, v View) (bool, error) {
	for _, o := range s.unseen(key) {
		exists, err := v.Exists(o)
		if err != nil {
			return false, err
		}
		if !exists {
			s.drop(key, o)
		}
	}
	return s.Met(key, v), nil
}

func (s *Set) unseen(key string) []Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Object
	if o := s.owners[key]; o != nil {
		for created := range o.created {
			all = append(all, created)
		}
	}
	return all
}

func (s *Set) drop(key string, object Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.owners[key]; o != nil {
		delete(o.created, object)
	}
}
