package registry

import (
	"maps"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/generic"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
)

// TableSource has the columns of every resource.
type TableSource interface {
	For(resource schema.GroupResource) rest.TableConvertor
}

// Environment is what kinds are made with.
type Environment struct {
	Scheme *runtime.Scheme
	Tables TableSource
	// Options give a store its place; cached ones are watched once and answer
	// from memory.
	Options func(cached bool) generic.RESTOptionsGetter
	// Stores are all kinds' stores, complete once subresources are made.
	Stores map[schema.GroupResource]*genericregistry.Store
}

// Served are the storages by version and path, such as "pods/status".
type Served map[schema.GroupVersion]map[string]rest.Storage

func (s Served) add(version schema.GroupVersion, storages map[string]rest.Storage) {
	if s[version] == nil {
		s[version] = map[string]rest.Storage{}
	}
	maps.Copy(s[version], storages)
}

// kind is a Definition, whatever its objects' type.
type kind interface {
	makeStore(e *Environment) error
	install(e *Environment, served Served)
}

// New makes every kind's storage.
func New(e *Environment) (Served, error) {
	e.Stores = map[schema.GroupResource]*genericregistry.Store{}
	all, served := kinds(), Served{}
	for _, k := range all {
		if err := k.makeStore(e); err != nil {
			return nil, err
		}
	}
	for _, k := range all {
		k.install(e, served)
	}
	return served, nil
}

// kinds are all that is stored.
func kinds() []kind {
	return []kind{
		pods(), podTemplates(), replicationControllers(), services(), endpoints(), nodes(), namespaces(), events(),
		configMaps(), secrets(), serviceAccounts(), resourceQuotas(), limitRanges(),
		persistentVolumes(), persistentVolumeClaims(),
		replicaSets(), deployments(), daemonSets(), controllerRevisions(),
		endpointSlices(), leases(), priorityClasses(), podDisruptionBudgets(),
	}
}
