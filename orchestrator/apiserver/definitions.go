package apiserver

import (
	"net/http"

	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
)

// definitionsPath is where kubectl looks whether a kind that cannot be patched
// (a review, a binding) is somebody's own, and fails without an answer.
const definitionsPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

// installNoDefinitions answers that there are no definitions of kinds. The
// group is not in discovery, since none can be made.
func (s *Server) installNoDefinitions() {
	s.generic.Handler.NonGoRestfulMux.Handle(definitionsPath, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			http.NotFound(w, r)
			return
		}
		responsewriters.WriteRawJSON(http.StatusOK, map[string]any{
			"kind": "CustomResourceDefinitionList", "apiVersion": "apiextensions.k8s.io/v1",
			"metadata": map[string]string{"resourceVersion": "1"}, "items": []any{},
		}, w)
	}))
}
