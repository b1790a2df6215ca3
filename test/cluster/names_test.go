package cluster

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/lab"
	"github.com/lubberline/lubberline/test/program"
)

const askerImage = "lubberline.test/dig:1"

// named are services of every kind, two pods that serve them and have names of
// their own, and one on each node that asks.
const named = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  clusterIP: 10.96.5.5
  selector: {app: db}
  ports:
  - {name: http, port: 80, targetPort: 8080}
  - {name: metrics, port: 9100, targetPort: 8080}
  - {name: quic, port: 80, targetPort: 8080, protocol: UDP}
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: pg, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: plain}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: pg, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: inside}
spec: {type: ExternalName, externalName: web.default.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {type: ExternalName, externalName: www.example.com}
---
apiVersion: v1
kind: Pod
metadata: {name: db-0, labels: {app: db}}
spec:
  nodeName: n2
  hostname: db-0
  subdomain: db
  terminationGracePeriodSeconds: 0
  containers:
  - {name: main, image: ` + lab.Image + `, command: [sh, -c, "mkdir /w; hostname > /w/index.html; exec httpd -f -p 8080 -h /w"]}
---
apiVersion: v1
kind: Pod
metadata: {name: db-1, labels: {app: db}}
spec:
  nodeName: n3
  hostname: db-1
  subdomain: db
  terminationGracePeriodSeconds: 0
  containers:
  - {name: main, image: ` + lab.Image + `, command: [sh, -c, "mkdir /w; hostname > /w/index.html; exec httpd -f -p 8080 -h /w"]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: asker}
spec:
  selector: {matchLabels: {app: asker}}
  template:
    metadata: {labels: {app: asker}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - {name: main, image: ` + askerImage + `, command: [busybox, sleep, "1000000"]}
`

// TestNames asks for every kind of record of the Kubernetes DNS specification
// 1.1, as a program in a pod does, on the node of the server, on its link and
// through the tunnel.
func TestNames(t *testing.T) {
	f := newFleet(t, onLinks["routed"])
	f.Joined()
	root := t.TempDir()
	require.NoError(t, lab.Pack(root, "dig", "busybox"))
	require.NoError(t, f.Each(func(h *lab.Host) error { return h.Builds(askerImage, root) }))
	f.Apply(named)
	f.Becomes("3", "get", "daemonset", "asker", "-o", "jsonpath={.status.numberReady}")
	for _, service := range []string{"db", "plain"} {
		f.Becomes("true true", "get", "endpointslices", "-l", "kubernetes.io/service-name="+service, "-o", "jsonpath={.items[0].endpoints[*].conditions.ready}")
	}
	var askers []asker
	for _, node := range []string{"n1", "n2", "n3"} {
		a := asker{f, strings.TrimSpace(f.Kubectl("get", "pods", "-l", "app=asker", "--field-selector", "spec.nodeName="+node, "-o", "jsonpath={.items[0].metadata.name}"))}
		for _, r := range f.records() {
			a.finds(r)
		}
		a.searches()
		askers = append(askers, a)
	}
	for i, a := range askers {
		a.soon(fmt.Sprintf("fresh-%d", i))
	}
}

// record is a question, how it is answered, and with what records in any order.
type record struct {
	question, status string
	answer           []string
}

func (f *fleet) records() []record {
	address := func(pod string) string { return f.Kubectl("get", "pod", pod, "-o", "jsonpath={.status.podIP}") }
	first, second := address("db-0"), address("db-1")
	dashed := func(ip string) string { return strings.ReplaceAll(ip, ".", "-") }
	reverse := func(ip string) string {
		parts := strings.Split(ip, ".")
		slices.Reverse(parts)
		return strings.Join(parts, ".") + ".in-addr.arpa."
	}
	const ok, none, s, p = "NOERROR", "NXDOMAIN", "default.svc.cluster.local.", "default.pod.cluster.local."
	return []record{
		{"dns-version.cluster.local. TXT", ok, []string{`dns-version.cluster.local. 5 IN TXT "1.1.0"`}},
		// a service with an address
		{"web." + s + " A", ok, []string{"web." + s + " 5 IN A 10.96.5.5"}},
		{"web." + s + " AAAA", ok, nil},
		{"_http._tcp.web." + s + " SRV", ok, []string{"_http._tcp.web." + s + " 5 IN SRV 0 100 80 web." + s}},
		{"_metrics._tcp.web." + s + " SRV", ok, []string{"_metrics._tcp.web." + s + " 5 IN SRV 0 100 9100 web." + s}},
		{"_quic._udp.web." + s + " SRV", ok, []string{"_quic._udp.web." + s + " 5 IN SRV 0 100 80 web." + s}},
		{"_quic._tcp.web." + s + " SRV", none, nil},
		{"-x 10.96.5.5", ok, []string{"5.5.96.10.in-addr.arpa. 5 IN PTR web." + s}},
		{"kubernetes." + s + " A", ok, []string{"kubernetes." + s + " 5 IN A 10.96.0.1"}},
		{"_https._tcp.kubernetes." + s + " SRV", ok, []string{"_https._tcp.kubernetes." + s + " 5 IN SRV 0 100 443 kubernetes." + s}},
		// a headless service whose pods have names
		{"db." + s + " A", ok, []string{"db." + s + " 5 IN A " + first, "db." + s + " 5 IN A " + second}},
		{"+tcp db." + s + " A", ok, []string{"db." + s + " 5 IN A " + first, "db." + s + " 5 IN A " + second}},
		{"db." + s + " AAAA", ok, nil},
		{"db-0.db." + s + " A", ok, []string{"db-0.db." + s + " 5 IN A " + first}},
		{"db-1.db." + s + " A", ok, []string{"db-1.db." + s + " 5 IN A " + second}},
		{"db-2.db." + s + " A", none, nil},
		{"_pg._tcp.db." + s + " SRV", ok, []string{
			"_pg._tcp.db." + s + " 5 IN SRV 0 50 8080 db-0.db." + s, "_pg._tcp.db." + s + " 5 IN SRV 0 50 8080 db-1.db." + s,
		}},
		// one whose pods have none
		{"plain." + s + " A", ok, []string{"plain." + s + " 5 IN A " + first, "plain." + s + " 5 IN A " + second}},
		{dashed(first) + ".plain." + s + " A", ok, []string{dashed(first) + ".plain." + s + " 5 IN A " + first}},
		{"_pg._tcp.plain." + s + " SRV", ok, []string{
			"_pg._tcp.plain." + s + " 5 IN SRV 0 50 8080 " + dashed(first) + ".plain." + s,
			"_pg._tcp.plain." + s + " 5 IN SRV 0 50 8080 " + dashed(second) + ".plain." + s,
		}},
		{"-x " + first, ok, []string{
			reverse(first) + " 5 IN PTR db-0.db." + s, reverse(first) + " 5 IN PTR " + dashed(first) + ".plain." + s,
			reverse(first) + " 5 IN PTR " + dashed(first) + ".web." + s, // as CoreDNS has it for every endpoint
		}},
		// pods
		{dashed(first) + "." + p + " A", ok, []string{dashed(first) + "." + p + " 5 IN A " + first}},
		{dashed(first) + "." + p + " AAAA", ok, nil},
		// names of elsewhere
		{"inside." + s + " A", ok, []string{"inside." + s + " 5 IN CNAME web." + s, "web." + s + " 5 IN A 10.96.5.5"}},
		{"outside." + s + " CNAME", ok, []string{"outside." + s + " 5 IN CNAME www.example.com."}},
		// what is not there
		{"nothing." + s + " A", none, nil},
		{"web.nowhere.svc.cluster.local. A", none, nil},
	}
}

// asker is a pod that has dig.
type asker struct {
	*fleet
	pod string
}

func (a asker) dig(arguments ...string) string {
	a.T.Helper()
	return a.Kubectl(append([]string{"exec", a.pod, "--", "dig", "+noall", "+comments", "+answer"}, arguments...)...)
}

var digStatus = regexp.MustCompile(`status: (\w+),`)

func (a asker) finds(r record) {
	a.T.Helper()
	out := a.dig(strings.Fields(r.question)...)
	status := digStatus.FindStringSubmatch(out)
	require.NotNil(a.T, status, "%s: %s", r.question, out)
	require.Equal(a.T, r.status, status[1], "%s: %s", r.question, out)
	require.ElementsMatch(a.T, r.answer, answers(out), r.question)
}

// answers are the lines that are no comments, with single spaces.
func answers(out string) (lines []string) {
	for line := range strings.Lines(out) {
		if words := strings.Fields(line); len(words) > 0 && !strings.HasPrefix(line, ";") {
			lines = append(lines, strings.Join(words, " "))
		}
	}
	return lines
}

// searches asks for names that are not complete.
func (a asker) searches() {
	a.T.Helper()
	for short, full := range map[string]string{
		"web": "web.default.svc.cluster.local.", "web.default": "web.default.svc.cluster.local.",
		"web.default.svc": "web.default.svc.cluster.local.", "kube-dns.kube-system": "kube-dns.kube-system.svc.cluster.local.",
	} {
		found := answers(a.dig("+search", short))
		require.Len(a.T, found, 1, short)
		require.True(a.T, strings.HasPrefix(found[0], full+" 5 IN A 10.96."), found[0])
	}
}

// soon makes a service and sees that it is known, then that it answers; it tells
// when. The pod asks all the while, so that an answer of before cannot help.
func (a asker) soon(name string) {
	a.T.Helper()
	lubberline, err := program.Path("lubberline")
	require.NoError(a.T, err)
	script := fmt.Sprintf(`name=%s.default.svc.cluster.local
echo asking
until [ -n "$(dig +short +time=1 +tries=1 $name)" ]; do :; done
echo resolved
until busybox wget -qO- http://$name; do :; done 2>/dev/null
echo answered`, name)
	cmd := exec.Command(lubberline, "kubectl", "--kubeconfig", a.Hosts[0].Kubeconfig(), "exec", a.pod, "--", "busybox", "timeout", "60", "busybox", "sh", "-c", script)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(a.T, err)
	require.NoError(a.T, a.Hosts[0].Do(cmd.Start))
	lines := bufio.NewScanner(out)
	next := func(want string) time.Time {
		a.T.Helper()
		require.True(a.T, lines.Scan(), "the pod ends before %s", want)
		require.Regexp(a.T, want, lines.Text())
		return time.Now()
	}
	next("asking")
	start := time.Now()
	a.Kubectl("create", "-f", service(a.T, name))
	created := time.Now()
	resolved := next("resolved")
	next("db-[01]")
	answered := next("answered")
	require.NoError(a.T, cmd.Wait())
	a.T.Logf("%s: created after %v of kubectl, resolved %v and answered %v after that", a.pod,
		created.Sub(start), max(0, resolved.Sub(created)), max(0, answered.Sub(created)))
}

// service is a file with one more service of the named pods.
func service(t *testing.T, name string) string {
	file := t.TempDir() + "/service.yaml"
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": %q},
		"spec": {"selector": {"app": "db"}, "ports": [{"port": 80, "targetPort": 8080}]}}`, name), 0o600))
	return file
}
