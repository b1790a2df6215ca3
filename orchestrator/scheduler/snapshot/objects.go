package snapshot

import (
	"maps"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// SetNamespace records a namespace's labels; it says whether they changed.
func (s *Snapshot) SetNamespace(name string, set labels.Set) bool {
	if old, known := s.namespaces[name]; known && maps.Equal(old, set) {
		return false
	}
	s.namespaces[name] = set
	s.recount()
	return true
}

// RemoveNamespace forgets a namespace.
func (s *Snapshot) RemoveNamespace(name string) {
	delete(s.namespaces, name)
	s.recount()
}

// recount is for what changes which pods a term selects.
func (s *Snapshot) recount() {
	for _, c := range s.counters {
		s.count(c)
	}
	s.epoch++
	s.membership++ // nothing that was read of counters holds
}

// SetService records a service's selector; it says whether it changed.
func (s *Snapshot) SetService(service *v1.Service) bool {
	of := s.services[service.Namespace]
	if of == nil {
		of = map[string]labels.Selector{}
		s.services[service.Namespace] = of
	}
	selector := labels.SelectorFromSet(service.Spec.Selector)
	old, known := of[service.Name]
	if len(service.Spec.Selector) == 0 {
		if known {
			s.RemoveService(service.Namespace, service.Name)
		}
		return known
	}
	if known && old.String() == selector.String() {
		return false
	}
	of[service.Name] = selector
	s.epoch++
	return true
}

// RemoveService forgets a service.
func (s *Snapshot) RemoveService(namespace, name string) {
	if _, known := s.services[namespace][name]; known {
		delete(s.services[namespace], name)
		s.epoch++
	}
}

// ServicesOf calls f with the selector of each service that selects the pods
// of t.
func (s *Snapshot) ServicesOf(t *Template, f func(labels.Selector)) {
	for _, selector := range s.services[t.Namespace] {
		if selector.Matches(t.Labels) {
			f(selector)
		}
	}
}

// SetClaim records a claim.
func (s *Snapshot) SetClaim(claim *v1.PersistentVolumeClaim) {
	s.claims[claim.Namespace+"/"+claim.Name] = claim
	s.epoch++
}

// RemoveClaim forgets a claim.
func (s *Snapshot) RemoveClaim(namespace, name string) {
	delete(s.claims, namespace+"/"+name)
	s.epoch++
}

// Claim returns a claim, or nil.
func (s *Snapshot) Claim(namespace, name string) *v1.PersistentVolumeClaim {
	return s.claims[namespace+"/"+name]
}

// SetVolume records a volume.
func (s *Snapshot) SetVolume(volume *v1.PersistentVolume) {
	s.volumes[volume.Name] = volume
	s.epoch++
}

// RemoveVolume forgets a volume.
func (s *Snapshot) RemoveVolume(name string) {
	delete(s.volumes, name)
	s.epoch++
}

// Volume returns a volume, or nil.
func (s *Snapshot) Volume(name string) *v1.PersistentVolume { return s.volumes[name] }

// Volumes calls f with each volume, in no order.
func (s *Snapshot) Volumes(f func(*v1.PersistentVolume)) {
	for _, v := range s.volumes {
		f(v)
	}
}

// SetClass records a storage class.
func (s *Snapshot) SetClass(class *storagev1.StorageClass) {
	s.classes[class.Name] = class
	s.epoch++
}

// RemoveClass forgets a storage class.
func (s *Snapshot) RemoveClass(name string) {
	delete(s.classes, name)
	s.epoch++
}

// Class returns a storage class, or nil.
func (s *Snapshot) Class(name string) *storagev1.StorageClass { return s.classes[name] }
