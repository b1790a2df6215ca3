// Package heapster serves Heapster's REST paths: export, model and historical
// API (docs/model.md of kubernetes-retired/heapster), with its shapes and a few
// of its warts mended: lists are sorted, what does not exist is 404, figures
// that are no whole numbers have a floatValue beside value, exports carry
// namespace_name, and container names with slashes can be reached.
package heapster

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"

	"github.com/lubberline/lubberline/aggregator/rollup"
)

// Model is where the newest figures and the recent past come from.
type Model interface {
	// Latest is the newest batch, nil before the first.
	Latest() *rollup.Batch
	History() *rollup.History
}

// Options are what the API needs.
type Options struct {
	Model Model
	// Historical answers /api/v1/historical; nil leaves those paths out.
	Historical History
	// DisableExport makes metric-export answer an empty list.
	DisableExport bool
	Logger        *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// API serves the paths. Safe for concurrent use.
type API struct {
	model         Model
	historical    History
	disableExport bool
	log           *slog.Logger
	logLimit      *rate.Limiter
	now           func() time.Time
	models        []route
	histories     []route
}

// New makes the API.
func New(o Options) (*API, error) {
	if o.Model == nil {
		return nil, errors.New("heapster API: no model given")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &API{
		model: o.Model, historical: o.Historical, disableExport: o.DisableExport,
		log: o.Logger, logLimit: rate.NewLimiter(rate.Every(10*time.Second), 3), now: o.Now,
	}
	a.models = a.modelRoutes()
	a.histories = a.historicalRoutes()
	return a, nil
}

// Register adds the paths below /api/v1.
func (a *API) Register(r gin.IRouter) {
	v1 := r.Group("/api/v1", compress)
	v1.GET("/metric-export", a.export)
	v1.GET("/metric-export-schema", a.schema)
	v1.GET("/model/*path", a.dispatch(a.models))
	if a.historical != nil {
		v1.GET("/historical/*path", a.dispatch(a.histories))
	}
}

// dispatch answers with the first route that matches. The path is the decoded
// one, so that %2F in a name is as good as a slash.
func (a *API) dispatch(routes []route) gin.HandlerFunc {
	return func(c *gin.Context) {
		segments := strings.Split(strings.Trim(c.Param("path"), "/"), "/")
		for i := range routes {
			vars := map[string]string{}
			if routes[i].pattern.match(segments, vars) {
				a.answer(c, routes[i].handle, vars)
				return
			}
		}
		text(c, http.StatusNotFound, "404: Page Not Found")
	}
}

func (a *API) answer(c *gin.Context, handle handler, vars map[string]string) {
	err := handle(&request{Context: c, vars: vars})
	if err == nil {
		return
	}
	status := http.StatusInternalServerError
	var f *failure
	if errors.As(err, &f) {
		status = f.status
	}
	if errors.Is(err, ErrUnknownMetric) {
		status = http.StatusNotFound
	}
	if status >= http.StatusInternalServerError && a.logLimit.Allow() {
		a.log.Error("request failed", "path", c.Request.URL.Path, "err", err)
	}
	text(c, status, err.Error())
}
