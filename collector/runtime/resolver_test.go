package runtime

import (
	"context"
	"maps"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/lubberline/lubberline/collector/reading"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newResolver(t *testing.T, sockets map[string][]string) *Resolver {
	t.Helper()
	r, err := New(Options{Sockets: sockets, ProcPath: t.TempDir(), Timeout: 5 * time.Second})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

func identify(t *testing.T, r *Resolver, id string) (*reading.Identity, bool) {
	t.Helper()
	identity, final, err := r.Identify(context.Background(), id)
	require.NoError(t, err)
	return identity, final
}

var started = time.Date(2026, 11, 24, 10, 0, 0, 123456789, time.UTC)

func TestDockerContainer(t *testing.T) {
	fake, socket := newFakeDocker(t)
	fake.set(idA, dockerContainer(idA, "web", 4711, map[string]string{"team": "a"}))
	r := newResolver(t, map[string][]string{Docker: {socket}})
	for _, path := range []string{"/docker/" + idA, "/system.slice/docker-" + idA + ".scope", "/actions_job/" + idA} {
		identity, final := identify(t, r, path)
		require.True(t, final)
		require.Equal(t, &reading.Identity{
			Runtime: Docker, ContainerID: idA, Name: "web", Image: "nginx:1.29", Namespace: "docker", Pod: "web", Container: "web",
			Labels: map[string]string{"team": "a"}, PID: 4711, Started: started,
			LogPath: "/var/lib/docker/containers/" + idA + "/" + idA + "-json.log", LogFormat: reading.DockerJSON,
			RootDir: "/var/lib/docker/overlay2/x/diff",
		}, identity)
	}
	require.Equal(t, 3, fake.requests(), "each is asked for once")
}

func TestComposeContainer(t *testing.T) {
	fake, socket := newFakeDocker(t)
	fake.set(idA, dockerContainer(idA, "shop-web-1", 1, map[string]string{"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}))
	identity, _ := identify(t, newResolver(t, map[string][]string{Docker: {socket}}), "/docker/"+idA)
	require.Equal(t, [3]string{"shop", "shop-web-1", "web"}, [3]string{identity.Namespace, identity.Pod, identity.Container})
}

func TestKubernetesOnDocker(t *testing.T) {
	fake, socket := newFakeDocker(t)
	common := map[string]string{labelPodName: "db-0", labelPodNamespace: "prod", labelPodUID: uid}
	with := func(more map[string]string) map[string]string {
		maps.Copy(more, common)
		return more
	}
	sandbox := with(map[string]string{labelContainerName: "POD", "io.kubernetes.docker.type": "podsandbox", "app": "db", "annotation.x": "y"})
	fake.set(idB, dockerContainer(idB, "k8s_POD_db-0_prod", 5, sandbox))
	fake.set(idA, dockerContainer(idA, "k8s_db_db-0_prod", 6, with(map[string]string{labelContainerName: "db", labelSandboxID: idB})))
	fake.sandboxes = []map[string]any{{"Id": idB, "Labels": sandbox}}
	r := newResolver(t, map[string][]string{Docker: {socket}})

	pause, final := identify(t, r, "/kubepods/burstable/pod"+uid+"/"+idB)
	require.True(t, final)
	require.True(t, pause.Sandbox)
	require.Empty(t, pause.Container)
	db, final := identify(t, r, "/kubepods/burstable/pod"+uid+"/"+idA)
	require.True(t, final)
	require.Equal(t, [4]string{"prod", "db-0", uid, "db"}, [4]string{db.Namespace, db.Pod, db.PodUID, db.Container})
	require.Equal(t, map[string]string{"app": "db"}, db.Labels, "the pod's labels")
	pod, final := identify(t, r, "/kubepods/burstable/pod"+uid)
	require.True(t, final)
	require.Equal(t, &reading.Identity{Runtime: Docker, Namespace: "prod", Pod: "db-0", PodUID: uid, Labels: map[string]string{"app": "db"}}, pod)
}

func TestARestartedContainerIsAskedForAgain(t *testing.T) {
	fake, socket := newFakeDocker(t)
	r := newResolver(t, map[string][]string{Docker: {socket}})
	fake.set(idA, dockerContainer(idA, "web", 100, nil))
	identity, _ := identify(t, r, "/docker/"+idA)
	require.Equal(t, 100, identity.PID)

	fake.set(idA, dockerContainer(idA, "web", 0, nil)) // the new process is not there yet
	identity, final := identify(t, r, "/docker/"+idA)
	require.False(t, final)
	require.Equal(t, "web", identity.Name)

	fake.set(idA, dockerContainer(idA, "web", 200, nil))
	identity, final = identify(t, r, "/docker/"+idA)
	require.True(t, final)
	require.Equal(t, 200, identity.PID)
}

func TestLogDrivers(t *testing.T) {
	f := func(runtime, kind, path string, wantPath string, format reading.LogFormat) {
		t.Helper()
		var c inspection
		c.LogPath, c.HostConfig.LogConfig.Type = path, kind
		gotPath, got := (&docker{runtime: runtime}).logOf(&c)
		require.Equal(t, wantPath, gotPath)
		require.Equal(t, format, got)
	}
	f(Docker, "json-file", "/a", "/a", reading.DockerJSON)
	f(Docker, "local", "/a", "", "")
	f(Docker, "fluentd", "", "", "")
	f(Docker, "json-file", "", "", "")
	f(Podman, "k8s-file", "/a", "/a", reading.CRI)
	f(Podman, "json-file", "/a", "/a", reading.CRI)
	f(Podman, "journald", "", "", "")

	var c inspection // Podman's own form
	c.HostConfig.LogConfig.Type, c.HostConfig.LogConfig.Path = "k8s-file", "/b"
	path, _ := (&docker{runtime: Podman}).logOf(&c)
	require.Equal(t, "/b", path)
}

func TestPodmanContainer(t *testing.T) {
	fake, socket := newFakeDocker(t)
	c := dockerContainer(idA, "job", 9, nil)
	c["HostConfig"] = map[string]any{"LogConfig": map[string]any{"Type": "k8s-file"}}
	fake.set(idA, c)
	r := newResolver(t, map[string][]string{Podman: {socket}})
	identity, final := identify(t, r, "/machine.slice/libpod-"+idA+".scope")
	require.True(t, final)
	require.Equal(t, [3]string{Podman, "podman", "job"}, [3]string{identity.Runtime, identity.Namespace, identity.Pod})
	require.Equal(t, reading.CRI, identity.LogFormat)
	inner, final := identify(t, r, "/machine.slice/libpod-"+idA+".scope/container")
	require.True(t, final)
	require.Empty(t, inner.ContainerID, "it must not be counted twice")
}

func TestCRIContainerSandboxAndPod(t *testing.T) {
	for _, inInfo := range []bool{true, false} {
		fake, socket := newFakeCRI(t)
		fake.addPod(idB, idA, inInfo)
		r := newResolver(t, map[string][]string{Containerd: {socket}})

		db, final := identify(t, r, "/kubepods/burstable/pod"+uid+"/"+idA)
		require.True(t, final)
		require.Equal(t, &reading.Identity{
			Runtime: Containerd, ContainerID: idA, Name: idA, Image: "postgres:18", Namespace: "prod", Pod: "db-0", PodUID: uid, Container: "db",
			Labels: map[string]string{"app": "db"}, PID: 78, Started: time.Unix(1_764_000_001, 0),
			LogPath: "/var/log/pods/prod_db-0_" + uid + "/db/2.log", LogFormat: reading.CRI,
		}, db)
		pause, final := identify(t, r, "/kubepods/burstable/pod"+uid+"/"+idB)
		require.True(t, final)
		require.Equal(t, &reading.Identity{
			Runtime: Containerd, ContainerID: idB, Name: idB, Namespace: "prod", Pod: "db-0", PodUID: uid, Sandbox: true,
			Labels: map[string]string{"app": "db"}, PID: 77, Started: time.Unix(1_764_000_000, 0),
		}, pause)
		pod, final := identify(t, r, "/kubepods/burstable/pod"+uid)
		require.True(t, final)
		require.Equal(t, &reading.Identity{Runtime: Containerd, Namespace: "prod", Pod: "db-0", PodUID: uid, Labels: map[string]string{"app": "db"}}, pod)
	}
}

func TestACRIContainerThatIsNotRunningYet(t *testing.T) {
	fake, socket := newFakeCRI(t)
	fake.addPod(idB, idA, true)
	fake.containers[idA].Status.State = cri.ContainerState_CONTAINER_CREATED
	r := newResolver(t, map[string][]string{CRIO: {socket}})
	identity, final := identify(t, r, "/kubepods.slice/kubepods-pod"+uidLow+".slice/crio-"+idA+".scope")
	require.False(t, final)
	require.Equal(t, "db", identity.Container)
	require.Equal(t, CRIO, identity.Runtime)
}

func TestAnAbsentSocketCostsOnlyNames(t *testing.T) {
	dir := shortDir(t)
	r := newResolver(t, map[string][]string{Docker: {filepath.Join(dir, "docker.sock"), ""}, Containerd: {filepath.Join(dir, "cri.sock")}})
	identity, final := identify(t, r, "/docker/"+idA)
	require.False(t, final, "the runtime may be started later")
	require.Equal(t, [3]string{Docker, idA, idA[:12]}, [3]string{identity.Runtime, identity.ContainerID, identity.Name})
	_, final = identify(t, r, "/kubepods/pod"+uid)
	require.False(t, final)

	fake := &fakeCRI{containers: map[string]*cri.ContainerStatusResponse{}, sandboxes: map[string]*cri.PodSandboxStatusResponse{}, sandboxOf: map[string]string{}}
	fake.addPod(idB, idA, true)
	fake.listen(t, filepath.Join(dir, "cri.sock"))
	_, final = identify(t, r, "/kubepods/pod"+uid)
	require.True(t, final)
}

func TestADeadSocketIsAnErrorAndARestartedRuntimeIsAskedAgain(t *testing.T) {
	dir := shortDir(t)
	for name, path := range map[string]string{Docker: "/docker/" + idA, Containerd: "/kubepods.slice/kubepods-pod" + uidLow + ".slice/cri-containerd-" + idA + ".scope"} {
		socket := filepath.Join(dir, name+".sock")
		listener, err := net.Listen("unix", socket)
		require.NoError(t, err)
		listener.(*net.UnixListener).SetUnlinkOnClose(false)
		require.NoError(t, listener.Close())
		r := newResolver(t, map[string][]string{name: {socket}})
		identity, final, err := r.Identify(context.Background(), path)
		require.ErrorContains(t, err, "ask "+name)
		require.False(t, final)
		require.Equal(t, idA, identity.ContainerID)
	}
	require.NoError(t, os.Remove(filepath.Join(dir, Containerd+".sock")))
}

func TestAHungRuntimeIsGivenUp(t *testing.T) {
	fake, socket := newFakeDocker(t)
	fake.hang = make(chan struct{})
	defer close(fake.hang)
	r := newResolver(t, map[string][]string{Docker: {socket}})
	r.timeout = 20 * time.Millisecond
	identity, final, err := r.Identify(context.Background(), "/docker/"+idA)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.False(t, final)
	require.Equal(t, idA[:12], identity.Name)
}

func TestWhatNoRuntimeKnowsBecomesFinal(t *testing.T) {
	fake, socket := newFakeDocker(t)
	r := newResolver(t, map[string][]string{Docker: {socket}})
	now := time.Unix(1000, 0)
	r.now = func() time.Time { return now }
	nested := "/docker/" + idB + "/docker/" + idA
	_, final := identify(t, r, nested)
	require.False(t, final)
	now = now.Add(giveUp)
	identity, final := identify(t, r, nested)
	require.True(t, final)
	require.Equal(t, idA[:12], identity.Name)
	require.Empty(t, r.unknown)
	require.Equal(t, 2, fake.requests())
}

func TestSystemContainersNeedNoRuntime(t *testing.T) {
	fake, socket := newFakeDocker(t)
	r := newResolver(t, map[string][]string{Docker: {socket}})
	for _, path := range []string{"/", "/system.slice/ssh.service", "/docker", "/kubepods.slice"} {
		identity, final := identify(t, r, path)
		require.True(t, final)
		require.Equal(t, &reading.Identity{}, identity)
	}
	require.Zero(t, fake.requests())
}

func TestABadAnswerIsAnError(t *testing.T) {
	fake, socket := newFakeDocker(t)
	fake.set(idA, dockerContainer(idB, "other", 1, nil))
	r := newResolver(t, map[string][]string{Docker: {socket}})
	_, final, err := r.Identify(context.Background(), "/docker/"+idA)
	require.ErrorContains(t, err, "instead of")
	require.False(t, final)
}

func TestOptions(t *testing.T) {
	_, err := New(Options{Sockets: map[string][]string{"rkt": {"/x"}}})
	require.ErrorContains(t, err, `"rkt"`)
	require.Len(t, DefaultSockets(), len(runtimes))
}

func TestOwnMetrics(t *testing.T) {
	fake, socket := newFakeDocker(t)
	fake.set(idA, dockerContainer(idA, "web", 1, nil))
	registry := prometheus.NewRegistry()
	r, err := New(Options{Sockets: map[string][]string{Docker: {socket}}, Registerer: registry})
	require.NoError(t, err)
	defer r.Close()
	identify(t, r, "/docker/"+idA)
	identify(t, r, "/docker/"+idB)
	require.InDelta(t, 1, testutil.ToFloat64(r.endpoints[0].requests.ok), 0)
	require.InDelta(t, 1, testutil.ToFloat64(r.endpoints[0].requests.unknown), 0)
	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestUpperDir(t *testing.T) {
	f := func(table, want string) {
		t.Helper()
		require.Equal(t, want, upperDir([]byte(table)))
	}
	const proc = "21 20 0:5 / /proc rw - proc proc rw\n"
	f("20 1 0:40 / / rw,relatime master:1 - overlay overlay rw,lowerdir=l/A:l/B,upperdir=/var/lib/docker/overlay2/x/diff,workdir=/w\n"+proc, "/var/lib/docker/overlay2/x/diff")
	f("20 1 253:0 / / rw - ext4 /dev/vda rw\n"+proc, "")
	f("20 1 0:40 / / rw - overlay overlay rw,lowerdir=/a,upperdir=relative\n", "")
	f("20 1 0:40 / /mnt rw - overlay overlay rw,upperdir=/not/root\n", "")
	f("", "")
	f("short - x\n", "")
}

func FuzzUpperDir(f *testing.F) {
	f.Add([]byte("20 1 0:40 / / rw,relatime master:1 - overlay overlay rw,lowerdir=l,upperdir=/u,workdir=/w\n"))
	f.Fuzz(func(t *testing.T, table []byte) {
		if dir := upperDir(table); dir != "" && !filepath.IsAbs(dir) {
			t.Fatalf("%q is not absolute", dir)
		}
	})
}
