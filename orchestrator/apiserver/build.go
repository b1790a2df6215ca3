package apiserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	apiadmission "k8s.io/apiserver/pkg/admission"
	admissionmetrics "k8s.io/apiserver/pkg/admission/metrics"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	genericserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/filters"
	"k8s.io/apiserver/pkg/server/healthz"

	"github.com/lubberline/lubberline/orchestrator/api"
	"github.com/lubberline/lubberline/orchestrator/apiserver/access"
	"github.com/lubberline/lubberline/orchestrator/apiserver/admission"
	"github.com/lubberline/lubberline/orchestrator/apiserver/registry"
	"github.com/lubberline/lubberline/orchestrator/apiserver/reviews"
	"github.com/lubberline/lubberline/orchestrator/apiserver/streams"
	"github.com/lubberline/lubberline/orchestrator/apiserver/tables"
	"github.com/lubberline/lubberline/orchestrator/apiserver/tokens"
	"github.com/lubberline/lubberline/orchestrator/pki"
	"github.com/lubberline/lubberline/orchestrator/store"
	"github.com/lubberline/lubberline/ownmetrics"
)

// openCertificates makes or reads what the server shows, and writes the
// administrator's kubeconfig.
func (s *Server) openCertificates() (err error) {
	s.pki, err = pki.Open(pki.Options{Dir: filepath.Join(s.options.DataDir, "pki"), Logger: s.log})
	if err != nil {
		return err
	}
	ends, err := ownmetrics.Register(s.options.Registerer, pki.Expiry(s.pki.Ends))
	if err != nil {
		return err
	}
	s.onClose(ends.Unregister)
	s.serving, err = s.pki.Pair(pki.Request{Name: "apiserver", User: "kube-apiserver", Hosts: s.options.hosts()})
	if err != nil {
		return err
	}
	s.admin, err = s.pki.Pair(pki.Request{Name: "admin", User: "kubernetes-admin", Groups: []string{"system:masters"}})
	if err != nil {
		return err
	}
	s.kubelet, err = s.pki.Pair(pki.Request{
		Name: "apiserver-kubelet-client", User: "kube-apiserver-kubelet-client", Groups: []string{"system:masters"},
	})
	if err != nil {
		return err
	}
	return s.pki.Kubeconfig(s.Kubeconfig(), s.URL(), s.admin)
}

// build puts the library's server together.
func (s *Server) build() error {
	cfg := genericserver.NewConfig(s.codecs)
	cfg.EffectiveVersion = newVersion()
	cfg.ExternalAddress = s.listener.Addr().String()
	cfg.LoopbackClientConfig = s.loopback()
	cfg.SecureServing = &genericserver.SecureServingInfo{Listener: s.listener, Cert: s.serving}
	cfg.LongRunningFunc = filters.BasicLongRunningRequestCheck(
		sets.NewString("watch", "proxy"), sets.NewString("attach", "exec", "proxy", "log", "portforward"))
	cfg.EnableProfiling = false
	cfg.ShutdownWatchTerminationGracePeriod = time.Second
	cfg.OpenAPIV3Config = s.schemas() // for server-side apply
	cfg.SkipOpenAPIInstallation = true
	if err := s.secure(cfg); err != nil {
		return err
	}
	if err := s.admit(cfg); err != nil {
		return err
	}
	cfg.AddHealthChecks(healthz.NamedCheck("etcd", s.store.Check))
	err := cfg.AddPostStartHook("bootstrap", func(hook genericserver.PostStartHookContext) error {
		return s.startBootstrap(hook.Context)
	})
	if err != nil {
		return err
	}
	completed := cfg.Complete(nil)
	if s.generic, err = completed.New("lubberline", genericserver.NewEmptyDelegate()); err != nil {
		return err
	}
	if err := s.installGroups(cfg); err != nil {
		return err
	}
	cfg.OpenAPIV3Config.Definitions = nil // the library would keep them for nothing
	s.installDocuments()
	return nil
}

// admit sets what is asked before objects are stored.
func (s *Server) admit(cfg *genericserver.Config) error {
	chain, err := admission.New(admission.Options{
		Client: s.client, Informers: s.informers, Stop: cfg.DrainedNotify(), Logger: s.log,
	})
	if err != nil {
		return err
	}
	chain = apiadmission.NewChainHandler(chain, access.NewEscalation(s.access))
	cfg.AdmissionControl = admissionmetrics.WithControllerMetrics(chain, "admission")
	return nil
}

// installGroups adds every kind to the server.
func (s *Server) installGroups(cfg *genericserver.Config) error {
	s.stores = &registry.Environment{
		Scheme:         s.scheme,
		Tables:         tables.New(time.Now),
		ServiceNetwork: s.options.ServiceNetwork,
		EventLife:      s.options.EventLife,
		Claims:         s.options.Claims,
		Options: func(cached bool) generic.RESTOptionsGetter {
			return store.RESTOptions{
				Store: s.store, Serializer: s.codecs, Cached: cached, Counts: cfg.StorageObjectCountTracker,
				Version: s.storageVersion,
			}
		},
	}
	served, err := registry.New(s.stores)
	if err != nil {
		return err
	}
	s.addSubresources(served[corev1.SchemeGroupVersion])
	served[authenticationv1.SchemeGroupVersion] = reviews.Authentication(s.tokens, cfg.Authentication.APIAudiences)
	served[authorizationv1.SchemeGroupVersion] = reviews.Authorization(s.access)
	parameters := runtime.NewParameterCodec(s.scheme)
	var groups []*genericserver.APIGroupInfo
	for _, version := range api.Versions(s.scheme) {
		storages := served[version]
		if len(storages) == 0 {
			continue
		}
		info := genericserver.NewDefaultAPIGroupInfo(version.Group, s.scheme, parameters, s.codecs)
		info.VersionedResourcesStorageMap[version.Version] = storages
		if version.Group == "" {
			if err := s.generic.InstallLegacyAPIGroup(genericserver.DefaultLegacyAPIPrefix, &info); err != nil {
				return err
			}
			continue
		}
		groups = append(groups, &info)
	}
	if err := s.generic.InstallAPIGroups(groups...); err != nil {
		return err
	}
	s.installNoDefinitions()
	return errors.Join(s.publishIssuer(), s.installMetrics(), s.installJoin())
}

// addSubresources adds what needs more than the kind's store.
func (s *Server) addSubresources(core map[string]rest.Storage) {
	core["serviceaccounts/token"] = tokens.NewRequestREST(s.issuer, objects{s})
	maps.Copy(core, streams.Subresources(streams.Options{Objects: objects{s}, KubeletTLS: s.kubeletTLS()}))
}

// kubeletTLS verifies kubelets by our authority and shows them who we are.
func (s *Server) kubeletTLS() *tls.Config {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.pki.CA())
	return &tls.Config{RootCAs: roots, GetClientCertificate: s.kubelet.ClientCertificate, MinVersion: tls.VersionTLS12}
}

// storageVersion is the version that a group's objects are stored in: its only
// one.
func (s *Server) storageVersion(resource schema.GroupResource) schema.GroupVersion {
	versions := api.Versions(s.scheme)
	i := slices.IndexFunc(versions, func(gv schema.GroupVersion) bool { return gv.Group == resource.Group })
	return versions[i]
}

// waitForStores returns when all watch caches are filled, or ctx ends.
func (s *Server) waitForStores(ctx context.Context) {
	for _, one := range s.stores.Stores {
		for one.ReadinessCheck() != nil && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
	}
}

// awaitReady asks /readyz until it says ok. That is soon, or never.
func (s *Server) awaitReady(ctx context.Context) {
	client := &http.Client{Transport: as{s.transport, probeUser}}
	for ctx.Err() == nil {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://in-process/readyz", nil)
		if err != nil {
			s.log.Error("readiness is unknown", "error", err)
			return
		}
		if answer, err := client.Do(r); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				close(s.ready)
				return
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// dropManagedFields saves the memory of what only the server needs.
func dropManagedFields(obj any) (any, error) {
	if m, err := meta.Accessor(obj); err == nil {
		m.SetManagedFields(nil)
	}
	return obj, nil
}
