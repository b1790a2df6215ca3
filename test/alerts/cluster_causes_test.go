package alerts

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/lubberline/lubberline/orchestrator/pki"
	"github.com/lubberline/lubberline/test/machine"
	run "github.com/lubberline/lubberline/test/program"
)

// cluster is a machine's own cluster, which things are done to.
type cluster struct {
	*testing.T
	*machine.Machine
	api        kubernetes.Interface
	lubberline string
}

// deeds are what is done to a cluster beyond making objects, and the alerts that
// must follow from each.
var deeds = []struct {
	do     func(*cluster)
	alerts []string
}{
	{(*cluster).abandonUpdate, []string{"RCRolloutStuck"}},
	{(*cluster).leaveVolume, []string{"PersistentVolumeFailed"}},
	{(*cluster).loseVolume, []string{"ClaimLost"}},
	{(*cluster).killRuntime, []string{"ContainerRuntimeRestarts"}},
	{(*cluster).seizeTable, []string{"ServiceRulesFail"}},
	{(*cluster).outgrow, []string{"RCGenerationMismatch"}},
	{(*cluster).fillStore, []string{"StateStoreAlmostFull"}},
}

func newCluster(t *testing.T, m *machine.Machine, lubberline string) *cluster {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", m.Kubeconfig)
	require.NoError(t, err)
	config.ContentType = "application/vnd.kubernetes.protobuf"
	api, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	return &cluster{T: t, Machine: m, api: api, lubberline: lubberline}
}

func (c *cluster) apply(manifest string) { apply(c.T, c.lubberline, c.Kubeconfig, manifest) }

func (c *cluster) kubectl(args ...string) {
	c.Helper()
	out, err := exec.Command(c.lubberline, append([]string{"kubectl", "--kubeconfig", c.Kubeconfig}, args...)...).CombinedOutput()
	require.NoError(c, err, "kubectl %s: %s", strings.Join(args, " "), out)
}

// abandonUpdate kills the client of a rolling update when the first of two pods
// has a successor.
func (c *cluster) abandonUpdate() {
	c.apply(controller("ReplicationController", "rolls", running))
	p, err := run.Start("lubberline", "rolling-update", "rolls", "--kubeconfig", c.Kubeconfig,
		"--image="+machine.Image, "--image-pull-policy=IfNotPresent", "--update-period=1h", "--poll-interval=100ms")
	require.NoError(c, err)
	c.Cleanup(p.Kill)
	require.NoError(c, machine.Until(func() error {
		if out := p.Out.String(); !strings.Contains(out, "1 of 2 ready") {
			return fmt.Errorf("rolling-update: %s", out)
		}
		return nil
	}))
	p.Kill()
}

// volume is one by hand with a claim that is bound to it.
func (c *cluster) volume(name string) {
	c.apply(fmt.Sprintf(`
{apiVersion: v1, kind: PersistentVolume, metadata: {name: %[1]s}, spec: {storageClassName: "", accessModes: [ReadWriteOnce], capacity: {storage: 1Mi}, hostPath: {path: /nowhere}, persistentVolumeReclaimPolicy: Delete}}
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: %[1]s}, spec: {storageClassName: "", volumeName: %[1]s, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}
`, name))
	c.kubectl("wait", "persistentvolumeclaim", name, "--for=jsonpath={.status.phase}=Bound", "--timeout=60s")
}

// leaveVolume gives a volume back that nobody knows how to delete.
func (c *cluster) leaveVolume() {
	c.volume("left")
	c.kubectl("delete", "persistentvolumeclaim", "left", "--wait=false")
}

// loseVolume deletes a volume in use against all protection.
func (c *cluster) loseVolume() {
	c.volume("lost")
	c.kubectl("delete", "persistentvolume", "lost", "--wait=false")
	c.kubectl("patch", "persistentvolume", "lost", "--patch", `{"metadata": {"finalizers": null}}`)
}

// killRuntime kills containerd as the kernel does when memory is short.
func (c *cluster) killRuntime() {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(c, err)
	defer unix.Close(fd)
	require.NoError(c, unix.Connect(fd, &unix.SockaddrUnix{Name: c.Socket()}))
	listens, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	require.NoError(c, err)
	require.NoError(c, unix.Kill(int(listens.Pid), unix.SIGKILL))
}

// seizeTable makes the table of services one of another program, as firewalls do
// with their own: nobody else can change it while that program runs.
func (c *cluster) seizeTable() {
	nft := exec.Command("nft", "-i")
	nft.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	said := &run.Output{}
	nft.Stdout, nft.Stderr = said, said
	orders, err := nft.StdinPipe()
	require.NoError(c, err)
	require.NoError(c, nft.Start())
	c.Cleanup(func() { // the table goes with its owner
		require.NoError(c, orders.Close())
		require.NoError(c, nft.Wait())
	})
	_, err = fmt.Fprintf(orders, "delete table ip %[1]s; add table ip %[1]s { flags owner; }\n", c.Table())
	require.NoError(c, err)
	require.NoError(c, machine.Until(func() error {
		if out, err := exec.Command("nft", "list", "table", "ip", c.Table()).CombinedOutput(); err != nil || !strings.Contains(string(out), "flags owner") {
			return fmt.Errorf("the table has no owner: %s %s", out, said)
		}
		return nil
	}))
	c.kubectl("create", "service", "clusterip", "late", "--tcp=80") // which the table lacks
}

// outgrow makes a controller that the store takes, and would not take with its
// status.
func (c *cluster) outgrow() {
	const step, steps = 64, 64 // a status takes more bytes than a step
	accepted := sort.Search(steps, func(n int) bool {
		size := 3<<20 - (steps-n)*step
		env := []corev1.EnvVar{{Name: "LARGE", Value: strings.Repeat("x", size)}}
		_, err := c.api.CoreV1().ReplicationControllers("default").Create(c.Context(), &corev1.ReplicationController{
			ObjectMeta: metav1.ObjectMeta{Name: "large-" + strconv.Itoa(n)},
			Spec: corev1.ReplicationControllerSpec{Replicas: new(int32), Selector: map[string]string{"app": "large"}, Template: &corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "large"}},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: machine.Image, Env: env}}},
			}},
		}, metav1.CreateOptions{})
		return err != nil
	})
	require.Positive(c, accepted, "the store takes no object of nearly 3 MiB")
	require.Less(c, accepted, steps, "the store takes objects of 3 MiB")
}

// storeSize is that of the store, which fillStore fills to six parts of seven.
const storeSize = 64 << 20

// fillStore stores as much as lacks once the store has given back what the last
// writes took beside what they left.
func (c *cluster) fillStore() {
	c.apply("{apiVersion: v1, kind: Namespace, metadata: {name: hoard}}")
	const each, settled = 512 << 10, 3 * time.Second
	last, since := 0, time.Now()
	require.NoError(c, machine.Until(func() error {
		used := c.storeUses()
		if used < last-each || used > last+each {
			last, since = used, time.Now()
		}
		switch changes := fmt.Errorf("the store has %d bytes in use", used); {
		case time.Since(since) < settled:
			return changes
		case used > storeSize*5/6:
			return nil
		default:
			last = 0
			return errors.Join(changes, c.hoard((storeSize*6/7-used)/each, each))
		}
	}))
}

// keepStoreFull stores what lacks again after the store has given back more.
func (c *cluster) keepStoreFull() {
	const each = 512 << 10
	used := c.storeUses()
	if used > storeSize*82/100 {
		return
	}
	if err := c.hoard((storeSize*6/7-used)/each, each); err != nil {
		c.Logf("the store had %d bytes in use: %v", used, err)
	}
}

// hoard stores so many objects of that size.
func (c *cluster) hoard(objects, size int) error {
	for range objects {
		_, err := c.api.CoreV1().ConfigMaps("hoard").Create(c.Context(), &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "much-"}, BinaryData: map[string][]byte{"much": make([]byte, size)},
		}, metav1.CreateOptions{})
		if err != nil {
			return machine.Fatal{Err: err}
		}
	}
	return nil
}

// storeUses is how many bytes the store has in use right now.
func (c *cluster) storeUses() int {
	answer, err := http.Get(c.HTTP + "/metrics")
	require.NoError(c, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(c, err)
	_, after, found := strings.Cut(string(text), "\nlubberline_store_in_use_bytes ")
	require.True(c, found, "no lubberline_store_in_use_bytes")
	value, _, _ := strings.Cut(after, "\n")
	bytes, err := strconv.ParseFloat(value, 64)
	require.NoError(c, err)
	return int(bytes)
}

// authorityLife is that of a cluster's authority.
const authorityLife = 10 * 365 * 24 * time.Hour

// age makes a control host's authority one that was made long ago and ends soon;
// its key stays where there is one.
func age(t *testing.T, dataDir string, left time.Duration) {
	t.Helper()
	dir := filepath.Join(dataDir, "orchestrator/api/pki")
	if err := os.Remove(filepath.Join(dir, "ca.crt")); !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	_, err := pki.Open(pki.Options{Dir: dir, Clock: clocktesting.NewFakeClock(time.Now().Add(left - authorityLife))})
	require.NoError(t, err)
}
