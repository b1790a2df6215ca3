package registry

import (
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func endpointSlices() Definition[*discoveryv1.EndpointSlice] {
	return Definition[*discoveryv1.EndpointSlice]{
		Version: discoveryv1.SchemeGroupVersion, Resource: "endpointslices", Singular: "endpointslice", Namespaced: true,
		New:     func() *discoveryv1.EndpointSlice { return &discoveryv1.EndpointSlice{} },
		NewList: func() runtime.Object { return &discoveryv1.EndpointSliceList{} },
	}
}
