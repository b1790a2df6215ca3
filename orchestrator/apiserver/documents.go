package apiserver

import (
	"net/http"
	"sync"
	"time"

	apiopenapi "k8s.io/apiserver/pkg/endpoints/openapi"
	genericserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/mux"
	"k8s.io/apiserver/pkg/server/routes"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/utils/clock"

	"github.com/lubberline/lubberline/orchestrator/api/openapi"
)

// keepDocuments is how long the documents are kept after somebody asked for
// one. Building takes some 0.1 s, keeping some 10 MB.
const keepDocuments = 5 * time.Minute

// documents are the OpenAPI documents of one version, which are built when they are asked for
// and forgotten when nobody does: a cluster that works asks for none.
type documents struct {
	build func() http.Handler
	clock clock.WithDelayedExecution

	mu     sync.Mutex
	built  http.Handler // nil when forgotten
	forget clock.Timer
}

func (d *documents) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.get().ServeHTTP(w, r) }

func (d *documents) get() http.Handler {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.forget != nil {
		d.forget.Stop()
	}
	d.forget = d.clock.AfterFunc(keepDocuments, d.drop)
	if d.built == nil {
		d.built = d.build()
	}
	return d.built
}

func (d *documents) drop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.built = nil
}

func (d *documents) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.forget != nil {
		d.forget.Stop()
	}
}

// installDocuments serves the documents of all that is installed. Each version
// is built by itself: kubectl asks for the third only.
func (s *Server) installDocuments() {
	for path, build := range map[string]func() http.Handler{"/openapi/v2": s.buildV2, "/openapi/v3": s.buildV3} {
		d := &documents{build: build, clock: clock.RealClock{}}
		s.onClose(d.close)
		s.generic.Handler.NonGoRestfulMux.Handle(path, d)
		s.generic.Handler.NonGoRestfulMux.HandlePrefix(path+"/", d)
	}
}

func (s *Server) buildV2() http.Handler {
	inner := mux.NewPathRecorderMux("openapi-v2")
	v2 := genericserver.DefaultOpenAPIConfig(openapi.GetOpenAPIDefinitions, apiopenapi.NewDefinitionNamer(s.scheme))
	v2.Info.Title, v2.Info.Version = "Kubernetes", "v"+kubernetesVersion
	routes.OpenAPI{Config: v2}.InstallV2(s.generic.Handler.GoRestfulContainer, inner)
	return inner
}

func (s *Server) buildV3() http.Handler {
	inner := mux.NewPathRecorderMux("openapi-v3")
	routes.OpenAPI{V3Config: s.schemas()}.InstallV3(s.generic.Handler.GoRestfulContainer, inner)
	return inner
}

// schemas are the definitions in OpenAPI 3's form. They are large.
func (s *Server) schemas() *common.OpenAPIV3Config {
	v3 := genericserver.DefaultOpenAPIV3Config(openapi.GetOpenAPIDefinitions, apiopenapi.NewDefinitionNamer(s.scheme))
	v3.Info.Title, v3.Info.Version = "Kubernetes", "v"+kubernetesVersion
	return v3
}
