package store

import (
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/generic"
	serverstorage "k8s.io/apiserver/pkg/server/storage"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/cacher"
	"k8s.io/apiserver/pkg/storage/etcd3"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storage/storagebackend/factory"
	"k8s.io/apiserver/pkg/storage/value/encrypt/identity"
	flowcontrolrequest "k8s.io/apiserver/pkg/util/flowcontrol/request"
	"k8s.io/client-go/tools/cache"
)

// prefix is below which every key is, as Kubernetes has it.
const prefix = "/registry"

// RESTOptions give every resource its place in the store. With Cached its
// objects are watched once and reads are answered from memory.
type RESTOptions struct {
	Store *Store
	// Serializer writes protobuf; Version is in which version, by resource.
	Serializer runtime.StorageSerializer
	Version    func(resource schema.GroupResource) schema.GroupVersion
	Counts     flowcontrolrequest.StorageObjectCountTracker
	Cached     bool
}

var _ generic.RESTOptionsGetter = RESTOptions{}

// GetRESTOptions implements generic.RESTOptionsGetter.
func (o RESTOptions) GetRESTOptions(resource schema.GroupResource, _ runtime.Object) (generic.RESTOptions, error) {
	cfg := storagebackend.NewDefaultConfig(prefix, nil)
	version := o.Version(resource)
	codec, versioner, err := serverstorage.NewStorageCodec(serverstorage.StorageCodecConfig{
		StorageMediaType: runtime.ContentTypeProtobuf, StorageSerializer: o.Serializer,
		StorageVersion: version, MemoryVersion: schema.GroupVersion{Group: version.Group, Version: runtime.APIVersionInternal},
		Config: *cfg,
	})
	if err != nil {
		return generic.RESTOptions{}, err
	}
	cfg.Codec, cfg.EncodeVersioner, cfg.StorageObjectCountTracker = codec, versioner, o.Counts
	decorate := o.Store.raw
	if o.Cached {
		decorate = o.Store.cached
	}
	return generic.RESTOptions{
		StorageConfig: cfg.ForResource(resource), Decorator: decorate, ResourcePrefix: resource.Resource,
		EnableGarbageCollection: true, DeleteCollectionWorkers: 1, StorageObjectCountTracker: o.Counts,
	}, nil
}

// raw is a storage that asks etcd each time.
func (s *Store) raw(
	cfg *storagebackend.ConfigForResource, resourcePrefix string, _ func(runtime.Object) (string, error),
	newObject, newList func() runtime.Object, _ storage.AttrFunc, _ storage.IndexerFuncs, _ *cache.Indexers,
) (storage.Interface, factory.DestroyFunc, error) {
	versioner := storage.APIObjectVersioner{}
	raw, err := etcd3.New(s.Client, s.Compactor, cfg.Codec, newObject, newList, cfg.Prefix, resourcePrefix, cfg.GroupResource,
		identity.NewEncryptCheckTransformer(), cfg.LeaseManagerConfig, etcd3.NewDefaultDecoder(cfg.Codec, versioner), versioner)
	if err != nil {
		return nil, nil, err
	}
	return raw, sync.OnceFunc(raw.Close), nil
}

// cached is a storage with a watch cache in front.
func (s *Store) cached(
	cfg *storagebackend.ConfigForResource, resourcePrefix string, key func(runtime.Object) (string, error),
	newObject, newList func() runtime.Object, attributes storage.AttrFunc, triggers storage.IndexerFuncs, indexers *cache.Indexers,
) (storage.Interface, factory.DestroyFunc, error) {
	raw, closeRaw, err := s.raw(cfg, resourcePrefix, key, newObject, newList, attributes, triggers, indexers)
	if err != nil {
		return nil, nil, err
	}
	c, err := cacher.NewCacherFromConfig(cacher.Config{
		Storage: raw, Versioner: raw.Versioner(), GroupResource: cfg.GroupResource, EventsHistoryWindow: cfg.EventsHistoryWindow,
		ResourcePrefix: resourcePrefix, KeyFunc: key, NewFunc: newObject, NewListFunc: newList,
		GetAttrsFunc: attributes, IndexerFuncs: triggers, Indexers: indexers, Codec: cfg.Codec,
	})
	if err != nil {
		closeRaw()
		return nil, nil, err
	}
	delegator := cacher.NewCacheDelegator(c, raw)
	return delegator, sync.OnceFunc(func() { delegator.Stop(); c.Stop(); closeRaw() }), nil
}
