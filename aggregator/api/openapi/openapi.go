// Package openapi serves one description of all paths of the aggregator, made
// of the parts that each API has beside its code.
package openapi

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"
	"go.yaml.in/yaml/v3"

	"github.com/lubberline/lubberline/aggregator/api/heapster"
	"github.com/lubberline/lubberline/aggregator/api/logs"
)

// The paths that have no package of ours that could describe them: protocols
// of others, in brief, with a link to who describes them in full.
var (
	//go:embed aggregator.yaml
	aggregator []byte
	//go:embed prometheus.yaml
	prometheus []byte
	//go:embed alerts.yaml
	alerts []byte
	//go:embed elasticsearch.yaml
	elasticsearch []byte
	//go:embed resourcemetrics.yaml
	resourceMetrics []byte
)

// Document is the description of everything that the aggregator answers, in
// YAML.
func Document(version string) ([]byte, error) {
	return Merge("Lubberline aggregator", version,
		Fragment{"aggregator", aggregator},
		Fragment{"heapster", heapster.OpenAPI()},
		Fragment{"logs", logs.OpenAPI()},
		Fragment{"prometheus", prometheus},
		Fragment{"alerts", alerts},
		Fragment{"resource-metrics", resourceMetrics},
		Fragment{"elasticsearch", elasticsearch},
	)
}

// Register serves the document at /openapi.yaml and /openapi.json.
func Register(r gin.IRouter, version string) error {
	asYAML, err := Document(version)
	if err != nil {
		return err
	}
	var tree map[string]any
	if err := yaml.Unmarshal(asYAML, &tree); err != nil {
		return fmt.Errorf("read the openapi document: %w", err)
	}
	asJSON, err := json.Marshal(tree)
	if err != nil {
		return fmt.Errorf("write the openapi document as JSON: %w", err)
	}
	r.GET("/openapi.yaml", func(c *gin.Context) { c.Data(http.StatusOK, "application/yaml", asYAML) })
	r.GET("/openapi.json", func(c *gin.Context) { c.Data(http.StatusOK, "application/json", asJSON) })
	return nil
}
