// Package resourcemetrics serves metrics.k8s.io, v1beta1 and v1alpha1, from the
// newest batch, with the discovery documents that kubectl top asks for first.
package resourcemetrics

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/lubberline/lubberline/aggregator/rollup"
)

const group = "metrics.k8s.io"

var versions = []string{"v1beta1", "v1alpha1"}

// Model is where the newest figures come from.
type Model interface {
	// Latest is the newest batch, nil before the first.
	Latest() *rollup.Batch
	// Resolution is the distance of batches: the window of rates.
	Resolution() time.Duration
}

// API serves the paths. Safe for concurrent use.
type API struct {
	model Model
	now   func() time.Time
}

// Options are what the API needs.
type Options struct {
	Model Model
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// New makes the API.
func New(o Options) (*API, error) {
	if o.Model == nil {
		return nil, errors.New("resource metrics API: no model given")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &API{model: o.Model, now: o.Now}, nil
}

// Register adds the paths below /apis, and /api and /version for discovery.
func (a *API) Register(r gin.IRouter) {
	r.GET("/api", answer(coreVersions()))
	r.GET("/version", answer(version{Major: "1", Minor: "37", GitVersion: "v1.37.0-lubberline", Platform: "linux/amd64"}))
	r.GET("/apis", answer(groupList()))
	r.GET("/apis/"+group, answer(groupDocument()))
	for _, version := range versions {
		base := r.Group("/apis/" + group + "/" + version)
		base.GET("", answer(resources(version)))
		base.GET("/nodes", a.nodes(version))
		base.GET("/nodes/:node", a.node(version))
		base.GET("/pods", a.pods(version))
		base.GET("/namespaces/:namespace/pods", a.pods(version))
		base.GET("/namespaces/:namespace/pods/:pod", a.pod(version))
	}
}

func answer(v any) gin.HandlerFunc {
	return func(c *gin.Context) { c.JSON(http.StatusOK, v) }
}

// status is Kubernetes' error answer.
type status struct {
	Kind       string         `json:"kind"`
	APIVersion string         `json:"apiVersion"`
	Metadata   struct{}       `json:"metadata"`
	Status     string         `json:"status"`
	Message    string         `json:"message"`
	Reason     string         `json:"reason"`
	Details    *statusDetails `json:"details,omitempty"`
	Code       int            `json:"code"`
}

type statusDetails struct {
	Name  string `json:"name"`
	Group string `json:"group"`
	Kind  string `json:"kind"`
}

func notFound(c *gin.Context, kind, name string) {
	c.JSON(http.StatusNotFound, status{
		Kind: "Status", APIVersion: "v1", Status: "Failure", Reason: "NotFound", Code: http.StatusNotFound,
		Message: fmt.Sprintf("%s.%s %q not found", kind, group, name),
		Details: &statusDetails{Name: name, Group: group, Kind: kind},
	})
}

func badRequest(c *gin.Context, err error) {
	c.JSON(http.StatusBadRequest, status{
		Kind: "Status", APIVersion: "v1", Status: "Failure", Reason: "BadRequest", Code: http.StatusBadRequest,
		Message: err.Error(),
	})
}
