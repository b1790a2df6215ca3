package heapster

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
)

func TestCompressedAnswersArriveWhole(t *testing.T) {
	gin.SetMode(gin.TestMode)
	long := strings.Repeat("every container ", 1000)
	r := gin.New()
	r.GET("/", compress, func(c *gin.Context) { c.Data(http.StatusOK, jsonType, []byte(long)) })
	server := httptest.NewServer(r)
	defer server.Close()
	resp, err := server.Client().Get(server.URL) // offers gzip by itself
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.True(t, resp.Uncompressed)
	require.Equal(t, long, string(body))
}
