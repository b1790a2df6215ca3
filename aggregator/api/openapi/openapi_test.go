package openapi

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/pb33f/libopenapi"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func TestDocumentIsValidOpenAPI(t *testing.T) {
	text, err := Document("v1.2.3")
	require.NoError(t, err)
	doc, err := libopenapi.NewDocument(text)
	require.NoError(t, err)
	model, err := doc.BuildV3Model() // resolves every reference
	require.NoError(t, err)
	require.Equal(t, "v1.2.3", model.Model.Info.Version)
	require.Len(t, model.Model.Tags, 7)
	ids := map[string]string{}
	for path, item := range model.Model.Paths.PathItems.FromOldest() {
		require.NotZero(t, item.GetOperations().Len(), path)
		for method, o := range item.GetOperations().FromOldest() {
			at := method + " " + path
			require.Len(t, o.Tags, 1, at)
			require.NotEmpty(t, o.Summary, at)
			require.NotZero(t, o.Responses.Codes.Len(), at)
			require.Empty(t, ids[o.OperationId], "operation id of %s", at)
			if o.OperationId != "" {
				ids[o.OperationId] = at
			}
			var inPath []string
			for _, p := range o.Parameters {
				if p.In == "path" {
					inPath = append(inPath, "{"+p.Name+"}")
				}
			}
			require.ElementsMatch(t, variables(path), inPath, at)
		}
	}
}

func variables(path string) (names []string) {
	for s := range strings.SplitSeq(path, "/") {
		if strings.HasPrefix(s, "{") {
			names = append(names, s)
		}
	}
	return names
}

func TestMergeKeepsComponentsApart(t *testing.T) {
	fragment := func(path, description string) []byte {
		return []byte("info: {description: of " + path + "}\npaths: {" + path + ": {get: {responses: {'200': {$ref: '#/components/responses/Fine'}}}}}\n" +
			"components: {responses: {Fine: {description: " + description + "}}}\n")
	}
	text, err := Merge("T", "1", Fragment{"one", fragment("/a", "first")}, Fragment{"two", fragment("/b", "second")})
	require.NoError(t, err)
	require.YAMLEq(t, `
openapi: 3.0.3
info: {title: T, version: "1"}
tags: [{name: one, description: of /a}, {name: two, description: of /b}]
paths:
  /a: {get: {tags: [one], responses: {'200': {$ref: '#/components/responses/one.Fine'}}}}
  /b: {get: {tags: [two], responses: {'200': {$ref: '#/components/responses/two.Fine'}}}}
components: {responses: {one.Fine: {description: first}, two.Fine: {description: second}}}
`, string(text))

	_, err = Merge("T", "1", Fragment{"one", fragment("/a", "x")}, Fragment{"two", fragment("/a", "y")})
	require.EqualError(t, err, "openapi fragment two: path /a is described twice")
	_, err = Merge("T", "1", Fragment{"one", []byte("- a list")})
	require.EqualError(t, err, "openapi fragment one: not a mapping")
	_, err = Merge("T", "1", Fragment{"one", []byte("a: [")})
	require.ErrorContains(t, err, "openapi fragment one: ")
}

func TestBothFormsAreServed(t *testing.T) {
	engine := gin.New()
	require.NoError(t, Register(engine, "v1"))
	get := func(path string) (string, []byte) {
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		require.Equal(t, http.StatusOK, w.Code)
		return w.Header().Get("Content-Type"), w.Body.Bytes()
	}
	var fromYAML, fromJSON map[string]any
	kind, text := get("/openapi.yaml")
	require.Equal(t, "application/yaml", kind)
	require.NoError(t, yaml.Unmarshal(text, &fromYAML))
	kind, text = get("/openapi.json")
	require.Equal(t, "application/json", kind)
	require.NoError(t, json.Unmarshal(text, &fromJSON))
	require.Len(t, fromJSON["paths"], len(fromYAML["paths"].(map[string]any)))
}
