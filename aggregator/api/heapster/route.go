package heapster

import (
	"strings"

	"github.com/gin-gonic/gin"
)

// request is one request and the variables of its path.
type request struct {
	*gin.Context
	vars map[string]string
}

type handler func(*request) error

// route is a pattern and what answers it. gin's own patterns cannot tell where
// a name with slashes ends, ours can: "{name...}" takes as few segments as lets
// the rest match.
type route struct {
	path    string
	pattern pattern
	handle  handler
}

func newRoute(path string, handle handler) route {
	return route{path: path, pattern: strings.Split(path, "/"), handle: handle}
}

// pattern is a path by segments: words, "{variable}" and "{variable...}".
type pattern []string

func (p pattern) match(segments []string, vars map[string]string) bool {
	if len(p) == 0 {
		return len(segments) == 0
	}
	if len(segments) == 0 {
		return false
	}
	name, variable := strings.CutPrefix(p[0], "{")
	if !variable {
		return p[0] == segments[0] && p[1:].match(segments[1:], vars)
	}
	name = strings.TrimSuffix(name, "}")
	name, many := strings.CutSuffix(name, "...")
	longest := 1
	if many {
		longest = len(segments)
	}
	for n := 1; n <= longest; n++ {
		if segments[n-1] == "" && !many {
			return false
		}
		if p[1:].match(segments[n:], vars) {
			vars[name] = strings.Join(segments[:n], "/")
			return true
		}
	}
	return false
}
