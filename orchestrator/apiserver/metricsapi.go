package apiserver

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	apidiscovery "k8s.io/api/apidiscovery/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/handlers/negotiation"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
)

// metricsVersion is the group that the aggregator answers.
var metricsVersion = schema.GroupVersion{Group: "metrics.k8s.io", Version: "v1beta1"}

// metricsKinds are its resources with their kinds.
func metricsKinds() []metav1.APIResource {
	verbs := metav1.Verbs{"get", "list"}
	return []metav1.APIResource{
		{Name: "nodes", SingularName: "", Kind: "NodeMetrics", Verbs: verbs},
		{Name: "pods", SingularName: "", Namespaced: true, Kind: "PodMetrics", Verbs: verbs},
	}
}

// installMetrics passes the metrics group on to where Options.MetricsAPI says.
// Discovery is answered here, so that a client never waits for the aggregator
// to learn what there is.
func (s *Server) installMetrics() error {
	if s.options.MetricsAPI == "" {
		return nil
	}
	proxy, err := s.metricsProxy(s.options.MetricsAPI)
	if err != nil {
		return err
	}
	version := metav1.GroupVersionForDiscovery{GroupVersion: metricsVersion.String(), Version: metricsVersion.Version}
	group := metav1.APIGroup{Name: metricsVersion.Group, Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version}
	s.generic.DiscoveryGroupManager.AddGroup(group)
	s.generic.AggregatedDiscoveryGroupManager.AddGroupVersion(metricsVersion.Group, apidiscovery.APIVersionDiscovery{
		Version: metricsVersion.Version, Freshness: apidiscovery.DiscoveryFreshnessCurrent, Resources: discovered(metricsKinds()),
	})
	mux, base := s.generic.Handler.NonGoRestfulMux, "/apis/"+metricsVersion.Group
	resources := s.answer(&metav1.APIResourceList{GroupVersion: metricsVersion.String(), APIResources: metricsKinds()})
	mux.Handle(base, s.answer(&group))
	mux.Handle(base+"/", s.answer(&group)) // clients ask with and without a slash
	path := base + "/" + metricsVersion.Version
	mux.Handle(path, resources)
	mux.HandlePrefix(path+"/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path+"/" {
			resources.ServeHTTP(w, r)
			return
		}
		s.metricsFrom(proxy, r).ServeHTTP(w, r)
	}))
	return nil
}

// forwardedHeader keeps two servers from sending a request back and forth.
const forwardedHeader = "X-Lubberline-Forwarded"

// metricsFrom is who answers the request.
func (s *Server) metricsFrom(here http.Handler, r *http.Request) http.Handler {
	if s.options.MetricsElsewhere == nil || r.Header.Get(forwardedHeader) != "" {
		return here
	}
	if elsewhere := s.options.MetricsElsewhere(); elsewhere != nil {
		return elsewhere
	}
	return here
}

// Forwarded is the header of a request that another server is to answer in place
// of this one, which has authorized it: nothing of it says who asked.
func Forwarded(h http.Header) http.Header {
	forwarded := http.Header{forwardedHeader: {"true"}}
	for _, name := range []string{"Accept", "Accept-Encoding", "User-Agent"} {
		if values := h.Values(name); len(values) > 0 {
			forwarded[name] = values
		}
	}
	return forwarded
}

func discovered(resources []metav1.APIResource) []apidiscovery.APIResourceDiscovery {
	var all []apidiscovery.APIResourceDiscovery
	for _, r := range resources {
		scope := apidiscovery.ScopeCluster
		if r.Namespaced {
			scope = apidiscovery.ScopeNamespace
		}
		all = append(all, apidiscovery.APIResourceDiscovery{
			Resource: r.Name, SingularResource: r.SingularName, Scope: scope, Verbs: r.Verbs,
			ResponseKind: &metav1.GroupVersionKind{Group: metricsVersion.Group, Version: metricsVersion.Version, Kind: r.Kind},
		})
	}
	return all
}

// answer always answers the same object, in what encoding the client wants.
func (s *Server) answer(obj runtime.Object) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		responsewriters.WriteObjectNegotiated(s.codecs, negotiation.DefaultEndpointRestrictions, schema.GroupVersion{}, w, r, http.StatusOK, obj, false)
	})
}

// metricsProxy is a proxy to "unix:///path" or "http://host:port".
func (s *Server) metricsProxy(address string) (http.Handler, error) {
	target, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("metrics API %q: %w", address, err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 4}
	if path, isSocket := strings.CutPrefix(address, "unix://"); isSocket {
		target = &url.URL{Scheme: "http", Host: "localhost"}
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		}
	}
	s.onClose(transport.CloseIdleConnections)
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Del("Authorization") // who asks has been seen to
		},
		Transport: transport,
		ErrorLog:  slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			s.log.Debug("aggregator does not answer", "path", r.URL.Path, "error", err)
			unavailable := apierrors.NewServiceUnavailable("the server is currently unable to handle the request")
			responsewriters.ErrorNegotiated(unavailable, s.codecs, metricsVersion, w, r)
		},
	}, nil
}
