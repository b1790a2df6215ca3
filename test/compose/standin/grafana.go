package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
)

// grafana answers as Grafana does to who looks at what it is provisioned with,
// and asks its data sources as Grafana's proxy does. What is wrong with the
// provisioning is told by /api/health.
type grafana struct {
	mux         *http.ServeMux
	provisioned *provisioning
	wrong       error
}

func newGrafana(lookup func(string) (string, bool)) http.Handler {
	g := &grafana{mux: http.NewServeMux()}
	g.provisioned, g.wrong = provision(lookup)
	g.mux.HandleFunc("GET /api/health", g.health)
	g.mux.HandleFunc("GET /api/datasources", g.list(func() any { return g.provisioned.public() }))
	g.mux.HandleFunc("GET /api/search", g.list(func() any { return g.provisioned.dashboards }))
	g.mux.HandleFunc("GET /api/dashboards/home", g.list(func() any { return g.provisioned.home }))
	g.mux.HandleFunc("/api/datasources/proxy/uid/{uid}/{path...}", g.proxy)
	return g.mux
}

func (g *grafana) health(w http.ResponseWriter, _ *http.Request) {
	if g.wrong != nil {
		http.Error(w, g.wrong.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, `{"database":"ok"}`)
}

func (g *grafana) list(what func() any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(what())
	}
}

func (g *grafana) proxy(w http.ResponseWriter, r *http.Request) {
	for _, s := range g.provisioned.Sources {
		if s.UID != r.PathValue("uid") {
			continue
		}
		proxy, err := s.proxy(r.PathValue("path"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		proxy.ServeHTTP(w, r)
		return
	}
	http.Error(w, "no such data source", http.StatusNotFound)
}

// proxy passes requests on with what the data source's settings add.
func (s *source) proxy(path string) (*httputil.ReverseProxy, error) {
	base, err := url.Parse(s.URL)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: s.JSONData["tlsSkipVerify"] == true}}
	if s.JSONData["tlsAuthWithCACert"] == true {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM([]byte(s.SecureJSONData["tlsCACert"])) {
			return nil, errors.New("secureJsonData.tlsCACert: no certificate")
		}
		transport.TLSClientConfig.RootCAs = roots
	}
	headers := s.headers()
	return &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		query := r.Out.URL.RawQuery
		r.SetURL(base)
		r.Out.URL.Path, r.Out.URL.RawPath, r.Out.URL.RawQuery = strings.TrimSuffix(base.Path, "/")+"/"+path, "", query
		for name, value := range headers {
			r.Out.Header.Set(name, value)
		}
	}}, nil
}

// headers are those of httpHeaderName1 and its like, and InfluxDB's token.
func (s *source) headers() map[string]string {
	headers := map[string]string{}
	for key, name := range s.JSONData {
		if number, ok := strings.CutPrefix(key, "httpHeaderName"); ok {
			headers[fmt.Sprint(name)] = s.SecureJSONData["httpHeaderValue"+number]
		}
	}
	if token := s.SecureJSONData["token"]; s.Type == "influxdb" && token != "" {
		headers["Authorization"] = "Token " + token
	}
	return headers
}
