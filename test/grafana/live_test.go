package grafana

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/machine"
	"github.com/lubberline/lubberline/test/peers"
	"github.com/lubberline/lubberline/test/program"
)

const (
	patience = 2 * time.Minute
	// span is the time that queries are put for, settled how long ago it ends:
	// what was measured by then is in every store.
	span, settled = 30 * time.Second, 8 * time.Second
	// number of the machine of this test.
	number = 5
)

// load is what a small cluster has: a replication controller that serves, a
// deployment that computes, writes and asks, a volume, a service, a quota.
var load = strings.ReplaceAll(`
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
{apiVersion: v1, kind: ResourceQuota, metadata: {name: most, namespace: shop}, spec: {hard: {pods: 20, requests.cpu: 4}}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}}
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, namespace: shop}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 64Mi}}}}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {app: web}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: IMAGE
        command: [sh, -c, "mkdir /w; head -c 100000 /dev/zero >/w/index.html; httpd -p 8080 -h /w; i=0; while :; do echo [ERROR] line $i; i=$((i+1)); sleep 1; done"]
        resources: {requests: {cpu: 20m, memory: 16Mi}, limits: {cpu: 100m, memory: 64Mi}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      terminationGracePeriodSeconds: 0
      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
      containers:
      - name: busy
        image: IMAGE
        command: [sh, -c, "while :; do :; done"]
        resources: {requests: {cpu: 50m, memory: 8Mi}, limits: {cpu: 100m, memory: 32Mi}}
      - name: client
        image: IMAGE
        command: [sh, -c, "while :; do wget -q -O /data/page http://web.shop && echo got a page >&2; sleep 1; done"]
        resources: {requests: {cpu: 20m, memory: 8Mi}, limits: {cpu: 200m, memory: 64Mi}}
        volumeMounts: [{name: data, mountPath: /data}]
`, "IMAGE", machine.Image)

// live is a node under load whose aggregator feeds real stores.
type live struct {
	*machine.Machine
	influx  *influx
	elastic *peers.Elasticsearch
	from    time.Time // the time that all queries are put for
	to      time.Time
}

// start boots the stores and the node, and waits until the load has been
// measured for as long as queries look back.
func start(t *testing.T) *live {
	t.Helper()
	unlock, err := machine.Lock("grafana")
	require.NoError(t, err)
	t.Cleanup(unlock)
	l := &live{Machine: machine.New(number), influx: &influx{InfluxDB: peers.InfluxDB1(t)}, elastic: peers.ElasticsearchV8(t)}
	password := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(password, []byte(l.influx.Password), 0o600))
	l.Aggregator = fmt.Sprintf("influxdb: {url: %q, database: k8s, username: %q, password_file: %q}, elasticsearch: {urls: [%q], logs: true, replicas: 0}",
		l.influx.URL, l.influx.Username, password, l.elastic.URL)
	t.Cleanup(func() {
		if t.Failed() && l.Program != nil {
			t.Logf("output of lubberline:\n%s", l.Out.Tail(8000))
		}
		require.NoError(t, l.Clean())
	})
	require.NoError(t, l.Boot())
	l.apply(t, load)
	l.measured(t)
	return l
}

func (l *live) apply(t *testing.T, manifest string) {
	t.Helper()
	path, err := program.Path("lubberline")
	require.NoError(t, err)
	cmd := exec.Command(path, "kubectl", "--kubeconfig", l.Kubeconfig, "apply", "-f", "-")
	cmd.Stdin = strings.NewReader(manifest)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// measured waits until the pods have run for as long as queries look back.
func (l *live) measured(t *testing.T) {
	t.Helper()
	begin := time.Time{}
	require.Eventually(t, func() bool {
		all, err := l.promQL(`count(kube_pod_container_status_ready{namespace="shop"} == 1)`, false)
		if err != nil || len(all) != 1 || all[0].newest() < 4 {
			return false
		}
		if begin.IsZero() {
			begin = time.Now()
			t.Log("the pods run")
		}
		return time.Since(begin) > span+settled
	}, patience, 500*time.Millisecond, "the pods run")
	l.to = time.Now().Add(-settled).Truncate(5 * time.Second)
	l.from = l.to.Add(-span)
	l.influx.start, l.influx.end, l.influx.bucket = l.from, l.to, "k8s/default"
	l.influx.window, l.influx.chosen = "5s", fine
}

// series are the values of one label set, in order of time.
type series struct {
	Metric map[string]string
	Value  []any // of a query for one moment
	Values [][]any
}

func (s *series) newest() float64 {
	if len(s.Value) > 0 {
		return value(s.Value)
	}
	return value(s.Values[len(s.Values)-1])
}

func (s *series) mean() float64 {
	if len(s.Values) == 0 {
		return s.newest()
	}
	sum := 0.0
	for _, v := range s.Values {
		sum += value(v)
	}
	return sum / float64(len(s.Values))
}

// value is the number of a pair of time and text.
func value(pair []any) float64 {
	var f float64
	if _, err := fmt.Sscan(fmt.Sprint(pair[1]), &f); err != nil {
		panic("BUG: test grafana: " + err.Error())
	}
	return f
}

// promQL asks the aggregator over the time, or for the end of it only.
func (l *live) promQL(query string, overTime bool) ([]series, error) {
	q, path := url.Values{"query": {query}}, "/api/v1/query"
	switch {
	case overTime:
		path += "_range"
		q.Set("start", fmt.Sprint(l.from.Unix()+5))
		q.Set("end", fmt.Sprint(l.to.Unix()))
		q.Set("step", "5")
	case !l.to.IsZero():
		q.Set("time", fmt.Sprint(l.to.Unix()))
	}
	var answer struct{ Result []series }
	err := l.api(path, q, &answer)
	return answer.Result, err
}

// api asks the aggregator's Prometheus API for data.
func (l *live) api(path string, q url.Values, data any) error {
	res, err := http.Get(l.HTTP + path + "?" + q.Encode())
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Status != "success" {
		return fmt.Errorf("%s %v: %s %s %w", path, q, res.Status, answer.Error, err)
	}
	return nil
}
