// Package sliceindex finds the endpoint slices of a service in the shared cache
// without going through all.
package sliceindex

import (
	"fmt"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/tools/cache"
)

const byService = "lubberline/service"

// Index is the cache of slices with this index.
type Index struct{ indexer cache.Indexer }

// Of gives the slice informer its index, unless it has it from another part. It
// must be called before the informer starts.
func Of(slices cache.SharedIndexInformer) (Index, error) {
	indexer := slices.GetIndexer()
	if indexer.GetIndexers()[byService] == nil {
		if err := slices.AddIndexers(cache.Indexers{byService: serviceOf}); err != nil {
			return Index{}, fmt.Errorf("index endpoint slices: %w", err)
		}
	}
	return Index{indexer}, nil
}

func serviceOf(o any) ([]string, error) {
	if slice, ok := o.(*discoveryv1.EndpointSlice); ok {
		if key := Service(slice); key != "" {
			return []string{key}, nil
		}
	}
	return nil, nil
}

// Service is namespace/name of the service that a slice is of, empty when it is
// of none.
func Service(slice *discoveryv1.EndpointSlice) string {
	name := slice.Labels[discoveryv1.LabelServiceName]
	if name == "" {
		return ""
	}
	return slice.Namespace + "/" + name
}

// OfService is the slices of a service, namespace/name, in no order. They are
// the cache's: not to be changed.
func (x Index) OfService(key string) []*discoveryv1.EndpointSlice {
	objects, err := x.indexer.ByIndex(byService, key)
	if err != nil { // only without the index, which Of has made
		panic(err)
	}
	slices := make([]*discoveryv1.EndpointSlice, 0, len(objects))
	for _, o := range objects {
		if slice, ok := o.(*discoveryv1.EndpointSlice); ok {
			slices = append(slices, slice)
		}
	}
	return slices
}
