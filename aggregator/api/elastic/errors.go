package elastic

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/lubberline/lubberline/aggregator/logstore"
)

// apiError is an error in Elasticsearch's shape.
type apiError struct {
	status       int
	kind, reason string
}

func (e *apiError) Error() string { return e.reason }

func badRequest(kind, format string, args ...any) error {
	return &apiError{http.StatusBadRequest, kind, fmt.Sprintf(format, args...)}
}

// parsingError is for JSON that is not what the place asks for.
func parsingError(format string, args ...any) error {
	return badRequest("parsing_exception", format, args...)
}

// unsupported is for what Elasticsearch has and this package has not.
func unsupported(what, name string) error {
	return badRequest("parsing_exception", "unsupported %s [%s]", what, name)
}

// errorBody is {"error": {"root_cause": […], "type": …, "reason": …}, "status": …}.
func errorBody(err error) (status int, body gin.H) {
	var e *apiError
	switch {
	case errors.As(err, &e):
	case logstore.IsBadQuery(err):
		e = &apiError{http.StatusBadRequest, "query_shard_exception", err.Error()}
	case errors.Is(err, logstore.ErrDiskFull):
		e = &apiError{http.StatusTooManyRequests, "cluster_block_exception", err.Error()}
	case errors.Is(err, logstore.ErrClosed):
		e = &apiError{http.StatusServiceUnavailable, "cluster_block_exception", err.Error()}
	default:
		e = &apiError{http.StatusInternalServerError, "search_phase_execution_exception", err.Error()}
	}
	cause := gin.H{"type": e.kind, "reason": e.reason}
	return e.status, gin.H{"status": e.status,
		"error": gin.H{"root_cause": []gin.H{cause}, "type": e.kind, "reason": e.reason}}
}

func fail(c *gin.Context, err error) {
	status, body := errorBody(err)
	c.AbortWithStatusJSON(status, body)
}
