package elastic

import (
	"bytes"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// maxSearches bounds the searches of one _msearch.
const maxSearches = 200

// msearch answers pairs of lines, a header that is not needed and the body of
// a search, each with its own status.
func (h *handlers) msearch(c *gin.Context) {
	start := time.Now()
	body, err := readBody(c, maxSearchBody)
	if err != nil {
		fail(c, err)
		return
	}
	bodies, err := splitSearches(body)
	if err != nil {
		fail(c, err)
		return
	}
	responses := make([]object, 0, len(bodies))
	for _, b := range bodies {
		responses = append(responses, h.one(c, b))
		if c.Request.Context().Err() != nil {
			c.Abort()
			return
		}
	}
	c.JSON(http.StatusOK, object{"took": time.Since(start).Milliseconds(), "responses": responses})
}

// splitSearches returns the bodies of the searches.
func splitSearches(body []byte) ([][]byte, error) {
	var lines [][]byte
	for line := range bytes.SplitSeq(body, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) > 0 || len(lines)%2 == 0 && len(lines) > 0 {
			lines = append(lines, line)
		}
	}
	for len(lines) > 0 && len(lines[len(lines)-1]) == 0 {
		lines = lines[:len(lines)-1]
	}
	if len(lines) == 0 || len(lines)%2 != 0 {
		return nil, badRequest("action_request_validation_exception", "_msearch needs pairs of a header and a body, found %d lines", len(lines))
	}
	if len(lines)/2 > maxSearches {
		return nil, badRequest("illegal_argument_exception", "too many searches, at most %d", maxSearches)
	}
	bodies := make([][]byte, 0, len(lines)/2)
	for i := 0; i < len(lines); i += 2 {
		if _, err := parseObject(lines[i]); err != nil {
			return nil, err
		}
		bodies = append(bodies, lines[i+1])
	}
	return bodies, nil
}

func (h *handlers) one(c *gin.Context, body []byte) object {
	answer, err := func() (object, error) {
		o, err := parseObject(body)
		if err != nil {
			return nil, err
		}
		req, err := parseSearch(o, h.now())
		if err != nil {
			return nil, err
		}
		return h.run(c.Request.Context(), req)
	}()
	if err != nil {
		_, e := errorBody(err)
		return object(e)
	}
	totalAsNumber(c, answer)
	answer["status"] = http.StatusOK
	return answer
}
