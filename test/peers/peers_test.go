package peers_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/peers"
)

type restartable interface {
	Start(testing.TB)
	Kill()
	Stop()
	Log() string
}

// TestRestart starts each server, ends it both ways and finds it answering at
// the same address again.
func TestRestart(t *testing.T) {
	peers.RequireReal(t)
	restart := func(t *testing.T, s restartable, url string) {
		get := func() error {
			res, err := http.Get(url)
			if err == nil {
				res.Body.Close()
			}
			return err
		}
		require.NoError(t, get())
		s.Kill()
		require.Error(t, get())
		s.Start(t)
		require.NoError(t, get())
		s.Stop()
		require.Error(t, get())
		s.Start(t)
		require.NoError(t, get())
		require.NotContains(t, strings.ToLower(s.Log()), "panic")
	}
	t.Run("influxdb 1", func(t *testing.T) {
		db := peers.InfluxDB1(t)
		restart(t, db, db.URL+"/ping")
	})
	t.Run("influxdb 2", func(t *testing.T) {
		peers.RequireInfluxDB2(t)
		db := peers.InfluxDB2(t)
		restart(t, db, db.URL+"/health")
	})
	t.Run("elasticsearch 8", func(t *testing.T) {
		es := peers.ElasticsearchV8(t)
		restart(t, es, es.URL+"/_cluster/health")
	})
	t.Run("elasticsearch 7", func(t *testing.T) {
		es := peers.ElasticsearchV7(t)
		restart(t, es, es.URL+"/_cluster/health")
	})
}
