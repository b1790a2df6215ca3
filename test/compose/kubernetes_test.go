package compose

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/orchestrator/runtime/imagefile"
	"github.com/lubberline/lubberline/test/machine"
	"github.com/lubberline/lubberline/test/peers"
	"github.com/lubberline/lubberline/test/program"
)

// machineNumber is a machine that no other test has.
const machineNumber = 7

// workload is what is looked at.
const workload = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: till, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: till}}
  template:
    metadata: {labels: {app: till}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: till
          image: ` + machine.Image + `
          command: [sh, -c, "while :; do echo rung up at the till; sleep 1; done"]
          resources: {limits: {memory: 32Mi, cpu: 100m}}
`

// cluster is a Kubernetes of ours, and the manifests on it.
type cluster struct {
	t *testing.T
	*machine.Machine
	dir string
}

// TestTheManifestsGiveTheSameSeries applies the manifests to a cluster of ours. Its
// own monitoring and that of the manifests then see the same.
func TestTheManifestsGiveTheSameSeries(t *testing.T) {
	peers.RequireReal(t)
	unlock, err := machine.Lock("deploy")
	require.NoError(t, err)
	t.Cleanup(unlock)
	c := &cluster{t: t, Machine: machine.New(machineNumber), dir: t.TempDir()}
	t.Cleanup(func() { require.NoError(t, c.Clean()) })
	require.NoError(t, c.Boot())
	c.importImages()
	c.kubectl(workload, "apply", "-f", "-")
	c.apply()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(c.kubectl("", "get", "pods", "-A", "-o", "wide"), c.kubectl("", "-n", "lubberline", "get", "events"))
			t.Log(c.kubectl("", "-n", "lubberline", "logs", "daemonset/collector"), c.kubectl("", "-n", "lubberline", "logs", "deployment/aggregator"))
		}
	})
	c.kubectl("", "-n", "lubberline", "rollout", "status", "deployment/aggregator", "--timeout", "60s")
	c.kubectl("", "-n", "lubberline", "rollout", "status", "daemonset/collector", "--timeout", "60s")

	for _, query := range []string{
		`count by (__name__, namespace, pod, container) ({__name__=~"container_.+",__name__!~"container_network_.+",namespace="shop",container!=""})`,
		`count by (__name__, namespace, pod) ({__name__=~"container_network_.+",namespace="shop"})`,
		`count by (__name__, namespace, pod, container, deployment) ({__name__=~"kube_.+",namespace="shop"})`,
		`count by (__name__, node) ({__name__=~"kube_node_.+"})`,
		`count by (__name__, node) ({__name__=~"node_(cpu|memory|filesystem|disk|network|load).*|machine_.+"})`,
	} {
		c.requireSame(query)
	}
	c.requireLogs()
	c.requireRights()
}

func (c *cluster) kubectl(stdin string, args ...string) string {
	c.t.Helper()
	path, err := program.Path("lubberline")
	require.NoError(c.t, err)
	return run(c.t, strings.NewReader(stdin), nil, path, append([]string{"kubectl", "--kubeconfig", c.Kubeconfig}, args...)...)
}

// importImages gives the node the images that the manifests name.
func (c *cluster) importImages() {
	whole, err := program.Path("lubberline")
	require.NoError(c.t, err)
	small, err := program.Path("lubberline-collector")
	require.NoError(c.t, err)
	for name, files := range map[string][]imagefile.File{
		"collector":  {file(c.t, small, "/bin/lubberline-collector")},
		"aggregator": append(libraries(c.t, whole), file(c.t, whole, "/bin/lubberline")),
	} {
		image := imagefile.Image{
			Name: "lubberline/" + name + ":latest", Env: []string{"PATH=/bin"},
			Entrypoint: []string{strings.TrimPrefix(files[len(files)-1].Name, "bin/")}, Files: files,
		}
		archive, err := os.Create(filepath.Join(c.dir, name+".tar"))
		require.NoError(c.t, err)
		require.NoError(c.t, image.Write(archive))
		require.NoError(c.t, archive.Close())
		run(c.t, nil, nil, whole, "images", "import", "--socket", c.Socket(), archive.Name())
	}
}

// apply follows docs/deploy.md, with this machine's paths in place of the usual.
func (c *cluster) apply() {
	usual := strings.NewReplacer(
		"/run/containerd/containerd.sock", c.Socket(),
		"pods: /var/log/pods", "pods: "+c.Dir+"/pods",
		"path: /var/lib/lubberline-collector", "path: "+c.Dir+"/collector",
	)
	manifests := filepath.Join(c.dir, "manifests")
	require.NoError(c.t, os.Mkdir(manifests, 0o755))
	paths, err := filepath.Glob(filepath.Join(repository(c.t), "deploy/kubernetes/*.yaml"))
	require.NoError(c.t, err)
	require.NotEmpty(c.t, paths)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(c.t, err)
		require.NoError(c.t, os.WriteFile(filepath.Join(manifests, filepath.Base(path)), []byte(usual.Replace(string(text))), 0o644))
	}
	whole, err := program.Path("lubberline")
	require.NoError(c.t, err)
	credentials := filepath.Join(c.dir, "credentials")
	run(c.t, nil, nil, whole, "credentials", credentials, "--host", "aggregator.lubberline.svc")
	c.kubectl("", "apply", "-f", filepath.Join(manifests, "00-namespace.yaml"))
	c.kubectl("", "-n", "lubberline", "create", "secret", "generic", "credentials", "--from-file", credentials)
	c.kubectl("", "apply", "-f", manifests)
}

// get asks the aggregator of the manifests, at its service.
func (c *cluster) get(path string) ([]byte, error) {
	address := c.kubectl("", "-n", "lubberline", "get", "service", "aggregator", "-o", "jsonpath={.spec.clusterIP}")
	pem, err := os.ReadFile(filepath.Join(c.dir, "credentials/ca.crt"))
	require.NoError(c.t, err)
	token, err := os.ReadFile(filepath.Join(c.dir, "credentials/token"))
	require.NoError(c.t, err)
	roots := x509.NewCertPool()
	require.True(c.t, roots.AppendCertsFromPEM(pem))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "aggregator.lubberline.svc"}}}
	return fetch(client, "https://"+address+":8082"+path, string(token))
}

func fetch(client *http.Client, u, token string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), machine.WaitLong)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", u, res.Status, text)
	}
	return text, err
}

// requireSame waits until both aggregators answer with the same series.
func (c *cluster) requireSame(query string) {
	c.t.Helper()
	path := "/api/v1/query?query=" + url.QueryEscape(query)
	same := func() error {
		theirs, err := c.get(path)
		if err != nil {
			return err
		}
		own, err := fetch(http.DefaultClient, c.HTTP+path, "")
		if err != nil {
			return err
		}
		return compare(query, labels(c.t, own), labels(c.t, theirs))
	}
	// A pod's links that were looked at too early are looked at again after a minute.
	if machine.Until(same) != nil {
		require.NoError(c.t, machine.Until(same))
	}
}

func compare(query string, want, have []string) error {
	if len(want) == 0 {
		return fmt.Errorf("%s: the machine itself has nothing", query)
	}
	missing := slices.DeleteFunc(slices.Clone(want), func(s string) bool { return slices.Contains(have, s) })
	further := slices.DeleteFunc(slices.Clone(have), func(s string) bool { return slices.Contains(want, s) })
	if len(missing)+len(further) > 0 {
		return fmt.Errorf("%s: of %d series the manifests lack %d: %.600q, and have further %d: %.600q", query, len(want), len(missing), missing, len(further), further)
	}
	return nil
}

// labels are the series of an answer, one text each.
func labels(t *testing.T, answer []byte) (all []string) {
	t.Helper()
	var a struct {
		Data struct {
			Result []struct{ Metric map[string]string }
		}
	}
	require.NoError(t, json.Unmarshal(answer, &a))
	for _, r := range a.Data.Result {
		text, err := json.Marshal(r.Metric)
		require.NoError(t, err)
		all = append(all, string(text))
	}
	return all
}

// requireLogs finds the pods' lines, with what the cluster knows of their pod.
func (c *cluster) requireLogs() {
	c.t.Helper()
	require.NoError(c.t, machine.Until(func() error {
		text, err := c.get("/api/v1/logs?format=text&namespace=shop&limit=5")
		if err == nil && !strings.Contains(string(text), "rung up at the till") {
			err = fmt.Errorf("no line of the till: %q", text)
		}
		return err
	}))
}

// requireRights finds that the aggregator may read what it watches, and nothing
// else.
func (c *cluster) requireRights() {
	may := func(verb, what string) string {
		path, err := program.Path("lubberline")
		require.NoError(c.t, err)
		out, _ := exec.Command(path, "kubectl", "--kubeconfig", c.Kubeconfig, "auth", "can-i", verb, what, "-A",
			"--as", "system:serviceaccount:lubberline:aggregator").CombinedOutput() // "no" is an error
		return strings.TrimSpace(string(out))
	}
	require.Equal(c.t, "yes", may("list", "pods"))
	require.Equal(c.t, "no", may("list", "secrets"))
	require.Equal(c.t, "no", may("delete", "pods"))
}
