package app

import (
	"context"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"path/filepath"

	"k8s.io/client-go/rest"

	"github.com/lubberline/lubberline/orchestrator/apiserver"
	"github.com/lubberline/lubberline/orchestrator/join"
)

// buildOwn makes what one of several control hosts is to the others. All that
// nodes ship is with one of them, the first that answers, and this one ships
// there too. Without an address nobody else can be there.
func (a *App) buildOwn() (err error) {
	if a.servers == nil || a.cfg.Address == "" {
		return nil
	}
	server := url.URL{Scheme: "https", Host: a.servers.own.API.String()}
	a.own, err = a.server.OwnIdentity(context.Background(), join.Options{
		Dir: filepath.Join(a.o.DataDir, "own"), Logger: a.logger("own"),
	}, join.Facts{Server: server.String(), Node: a.o.Node, Address: a.address, Cluster: *a.joinable()})
	if err != nil {
		return err
	}
	a.parts = append(a.parts, part{"own", a.own})
	a.elsewhere, err = a.forwarder()
	return err
}

// followServers has this control host know the others as nodes do.
func (a *App) followServers(live []netip.AddrPort) {
	if a.own == nil {
		return
	}
	all := make([]netip.Addr, len(live))
	for i, one := range live {
		all[i] = one.Addr()
	}
	if err := a.own.SetServers(all); err != nil {
		a.log.Error("the control hosts are not known after the next start", "error", err)
	}
}

// Own is what this control host ships with; nil where there is only one.
func (a *App) Own() *join.Identity { return a.own }

// Gathers says whether nodes ship to this control host.
func (a *App) Gathers() bool { return a.own == nil || a.own.UsesItself() }

// metricsElsewhere leads to the control host that has the nodes' figures; nil
// where that is this one.
func (a *App) metricsElsewhere() http.Handler {
	if a.Gathers() {
		return nil
	}
	return a.elsewhere
}

// forwarder asks the control host in use in place of this one.
func (a *App) forwarder() (http.Handler, error) {
	transport, err := rest.TransportFor(a.own.ClientConfig())
	if err != nil {
		return nil, err
	}
	return &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "https", a.servers.own.API.String(), "" // whichever answers, at that port
			r.Out.Header = apiserver.Forwarded(r.In.Header)
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			a.log.Debug("the control host in use does not answer", "path", r.URL.Path, "error", err)
			http.Error(w, "the control host that has the nodes' figures does not answer", http.StatusServiceUnavailable)
		},
	}, nil
}
