package registry

import (
	"context"
	"maps"
	"net/netip"
	"time"

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
	// ServiceNetwork holds the cluster IPs, 10.96.0.0/16 when not valid.
	ServiceNetwork netip.Prefix
	// NodePorts are the first and the last port of that kind, 30000 and 32767
	// when both are 0.
	NodePorts [2]int32
	// Claims is where the servers of one store agree on addresses and ports of
	// services; nil where there is only one.
	Claims Claims
	// EventLife is how long events are kept, an hour when 0.
	EventLife time.Duration
	// Stores are all kinds' stores, complete once subresources are made.
	Stores map[schema.GroupResource]*genericregistry.Store
	// Repair gives back addresses and ports that no service has, found by two
	// calls in a row.
	Repair func(ctx context.Context) error
}

// Served are the storages by version and path, such as "pods/status".
type Served map[schema.GroupVersion]map[string]rest.Storage

func (s Served) add(version schema.GroupVersion, storages map[string]rest.Storage) {
	if s[version] == nil {
		s[version] = map[string]rest.Storage{}
	}
	maps.Copy(s[version], storages)
}

func (e *Environment) complete() {
	e.Stores = map[schema.GroupResource]*genericregistry.Store{}
	if !e.ServiceNetwork.IsValid() {
		e.ServiceNetwork = netip.MustParsePrefix("10.96.0.0/16")
	}
	if e.NodePorts == [2]int32{} {
		e.NodePorts = [2]int32{30000, 32767}
	}
	if e.EventLife == 0 {
		e.EventLife = time.Hour
	}
}

// kind is a Definition, whatever its objects' type.
type kind interface {
	makeStore(e *Environment) error
	install(e *Environment, served Served)
}

// New makes every kind's storage.
func New(e *Environment) (Served, error) {
	e.complete()
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
		persistentVolumes(), persistentVolumeClaims(), storageClasses(),
		replicaSets(), deployments(), daemonSets(), controllerRevisions(),
		endpointSlices(), leases(), priorityClasses(), podDisruptionBudgets(),
		roles(), roleBindings(), clusterRoles(), clusterRoleBindings(),
	}
}
