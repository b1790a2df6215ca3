// Package expectations remembers what a controller has written and its cache
// does not show yet. Before the cache shows it, the controller must not count:
// it would create the same objects again, or delete more than it should.
package expectations

import (
	"context"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
)

// Patience is how long the cache may take to show what was written. Then the
// API is asked.
const Patience = 5 * time.Second

// Object is a dependent that was created or deleted.
type Object struct {
	Namespace, Name string
	UID             types.UID
}

// View is what a controller can see of one owner's dependents.
type View interface {
	// Cached says whether the cache has this very object, and whether it is
	// being deleted there.
	Cached(o Object) (present, deleting bool)
	// Living asks the API, past the cache, for all dependents, and whether each
	// is being deleted.
	Living(ctx context.Context) (map[Object]bool, error)
}

// Set is the expectations of one controller, by the key of the owner. It is safe
// for concurrent use, but each owner is for one goroutine at a time to ask about.
type Set struct {
	clock  clock.PassiveClock
	mu     sync.Mutex
	owners map[string]*owner
}

// owner is what is expected for one owner. Its fields are under the set's lock.
type owner struct {
	created, deleted map[Object]struct{}
	unsure           bool // a request has ended without an answer
	written          time.Time
}

// New returns an empty set.
func New(c clock.PassiveClock) *Set { return &Set{clock: c, owners: map[string]*owner{}} }

// Created tells that the API has acknowledged the creation of o.
func (s *Set) Created(key string, o Object) {
	s.note(key, func(owner *owner) { owner.created[o] = struct{}{} })
}

// Deleted tells that the API has acknowledged the deletion of o, at once or
// graceful.
func (s *Set) Deleted(key string, o Object) {
	s.note(key, func(owner *owner) { owner.deleted[o] = struct{}{} })
}

// CreationUnsure tells that a creation has ended in an error that leaves open
// whether there is a new object.
func (s *Set) CreationUnsure(key string) {
	s.note(key, func(owner *owner) { owner.unsure = true })
}

// DeletionUnsure tells the same of a deletion of o.
func (s *Set) DeletionUnsure(key string, o Object) {
	s.note(key, func(owner *owner) { owner.unsure, owner.deleted[o] = true, struct{}{} })
}

func (s *Set) note(key string, change func(*owner)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.owners[key]
	if o == nil {
		o = &owner{created: map[Object]struct{}{}, deleted: map[Object]struct{}{}}
		s.owners[key] = o
	}
	change(o)
	o.written = s.clock.Now()
}

// Forget drops what is expected for an owner that is gone.
func (s *Set) Forget(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.owners, key)
}

// Met says whether the cache shows everything that was written. What has not
// shown after Patience, and what was never certain, is looked up in the API: an
// object that was removed between two views of the cache would else be awaited
// for ever. When it is not met, it should be asked again after Patience at most.
func (s *Set) Met(ctx context.Context, key string, v View) (bool, error) {
	met, doubtful := s.check(key, v)
	if !doubtful {
		return met, nil
	}
	living, err := v.Living(ctx)
	if err != nil {
		return false, err
	}
	s.correct(key, living)
	met, _ = s.check(key, v)
	return met, nil
}

// check drops what the cache shows.
func (s *Set) check(key string, v View) (met, doubtful bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.owners[key]
	if o == nil {
		return true, false
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
	if len(o.created)+len(o.deleted) == 0 && !o.unsure {
		delete(s.owners, key)
		return true, false
	}
	return false, o.unsure || s.clock.Since(o.written) >= Patience
}

// correct makes the expectation what the API has told.
func (s *Set) correct(key string, living map[Object]bool) {
	s.note(key, func(o *owner) {
		o.unsure = false
		clear(o.created)
		for object, deleting := range living {
			o.created[object] = struct{}{}
			if !deleting {
				delete(o.deleted, object)
			}
		}
	})
}

// LeavesOpen says whether a request that failed with err may have been carried
// out all the same. Without an error it is false.
func LeavesOpen(err error) bool {
	if err == nil {
		return false
	}
	switch apierrors.ReasonForError(err) {
	case metav1.StatusReasonUnknown, metav1.StatusReasonTimeout, metav1.StatusReasonServerTimeout, metav1.StatusReasonInternalError:
		return true
	}
	return false
}
