package registry

import (
	"context"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func endpointSlices() Definition[*discoveryv1.EndpointSlice] {
	return Definition[*discoveryv1.EndpointSlice]{
		Version: discoveryv1.SchemeGroupVersion, Resource: "endpointslices", Singular: "endpointslice", Namespaced: true,
		New:     func() *discoveryv1.EndpointSlice { return &discoveryv1.EndpointSlice{} },
		NewList: func() runtime.Object { return &discoveryv1.EndpointSliceList{} },
		Main: Strategy[*discoveryv1.EndpointSlice]{
			PrepareForCreate: prepareNewSlice,
			Validate:         checked(validation.ValidateEndpointSliceCreate),
			PrepareForUpdate: prepareSlice,
			ValidateUpdate:   checkedUpdate(validation.ValidateEndpointSliceUpdate),
		},
	}
}

func prepareNewSlice(_ context.Context, s *discoveryv1.EndpointSlice) {
	s.Generation = 1
	dropTopology(s)
}

// prepareSlice raises the generation with the labels too: they say whose
// endpoints these are.
func prepareSlice(_ context.Context, s, old *discoveryv1.EndpointSlice) {
	dropTopology(s)
	now, before := s.DeepCopy(), old.DeepCopy()
	now.ObjectMeta = metav1.ObjectMeta{Labels: s.Labels}
	before.ObjectMeta = metav1.ObjectMeta{Labels: old.Labels}
	raise(s, old, now, before)
}

// dropTopology clears what only older versions of the API can set.
func dropTopology(s *discoveryv1.EndpointSlice) {
	for i := range s.Endpoints {
		s.Endpoints[i].DeprecatedTopology = nil
	}
}
