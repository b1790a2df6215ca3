// Package alerts serves Alertmanager's API v2 below /alertmanager, where amtool
// and Grafana are pointed to, and at the root, and the reload that Prometheus and
// Alertmanager have.
package alerts

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// Manager is what the API is of.
type Manager interface {
	// Handler serves paths below /api/v2/; nil for none.
	Handler() http.Handler
	// Reload reads rules and receivers again.
	Reload() error
}

// Register adds the paths; prefix is "/alertmanager" or the like.
func Register(r gin.IRouter, prefix string, m Manager) {
	for _, base := range []string{prefix, ""} {
		if h := m.Handler(); h != nil {
			r.Any(base+"/api/v2/*path", gin.WrapH(http.StripPrefix(base, h)))
		}
		for _, path := range []string{"/-/healthy", "/-/ready"} {
			if base != "" { // at the root they are the aggregator's
				r.GET(base+path, func(c *gin.Context) { c.String(http.StatusOK, "OK\n") })
			}
		}
		reload := func(c *gin.Context) {
			if err := m.Reload(); err != nil {
				c.String(http.StatusInternalServerError, "%s\n", err)
				return
			}
			c.Status(http.StatusOK)
		}
		r.POST(base+"/-/reload", reload)
		r.PUT(base+"/-/reload", reload)
	}
}
