package prometheus

import (
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/lubberline/lubberline/catalog"
)

// described is Prometheus's metadata of a metric.
type described struct {
	Type string `json:"type"`
	Help string `json:"help"`
	Unit string `json:"unit"`
}

// metadata answers from the catalog: parameters metric and limit.
func metadata(c *gin.Context) {
	limit := -1
	if given := c.Query("limit"); given != "" {
		n, err := strconv.Atoi(given)
		if err != nil {
			c.JSON(http.StatusBadRequest, gin.H{
				"status": "error", "errorType": "bad_data", "error": "limit must be a number",
			})
			return
		}
		limit = n
	}
	all := map[string][]described{}
	for _, m := range catalog.Metrics() {
		if limit >= 0 && len(all) >= limit {
			break
		}
		if only := c.Query("metric"); only == "" || only == m.Name {
			all[m.Name] = []described{{Type: string(m.Kind), Help: m.Help, Unit: string(m.Unit)}}
		}
	}
	c.JSON(http.StatusOK, gin.H{"status": "success", "data": all})
}
