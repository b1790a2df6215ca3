package compose

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/orchestrator/runtime/imagefile"
	"github.com/lubberline/lubberline/test/peers"
	"github.com/lubberline/lubberline/test/program"
)

// Names of images that no registry has; the stand-ins for others' are built here.
const (
	builderImage  = "lubberline.test/builder:1"
	baseImage     = "lubberline.test/base:1"
	influxImage   = "lubberline.test/influxdb:1"
	elasticImage  = "lubberline.test/elasticsearch:1"
	grafanaImage  = "lubberline.test/grafana:1"
	imagesPrefix  = "lubberline.test"
	imagesVersion = "test"
)

// load makes an image of this machine's busybox and further files.
func load(t *testing.T, d *peers.Docker, name string, entrypoint []string, files ...imagefile.File) {
	t.Helper()
	busybox, err := exec.LookPath("busybox")
	require.NoError(t, err, "run test/peers/install.sh as root")
	image, err := imagefile.Busybox(busybox, name)
	require.NoError(t, err)
	image.Entrypoint, image.Command = entrypoint, nil
	image.Files = append(image.Files, files...)
	var archive bytes.Buffer
	require.NoError(t, image.Write(&archive))
	docker(t, d, &archive, "load", "-q")
}

// file is a file of this machine, under its own name.
func file(t *testing.T, path, as string) imagefile.File {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return imagefile.File{Name: strings.TrimPrefix(as, "/"), Mode: 0o755, Data: data}
}

func script(name, text string) imagefile.File {
	return imagefile.File{Name: name, Mode: 0o755, Data: []byte("#!/bin/sh\n" + text)}
}

var libraryPath = regexp.MustCompile(`/\S+`)

// libraries are the shared libraries of programs, and their loader, each once.
func libraries(t *testing.T, programs ...string) (files []imagefile.File) {
	t.Helper()
	var paths []string
	for _, p := range programs {
		out, err := exec.Command("ldd", p).Output()
		require.NoError(t, err, p)
		paths = append(paths, libraryPath.FindAllString(string(out), -1)...)
	}
	slices.Sort(paths)
	for _, path := range slices.Compact(paths) {
		files = append(files, file(t, path, path))
	}
	return files
}

// goBuild builds a static program of the repository.
func goBuild(t *testing.T, dir, pkg string) string {
	t.Helper()
	out := filepath.Join(dir, filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Dir, cmd.Env = repository(t), append(os.Environ(), "CGO_ENABLED=0")
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, string(text))
	return out
}

// buildImages builds every target of the real Dockerfile, from programs that are
// built already: the base images, which need a registry, are local ones.
func buildImages(t *testing.T, d *peers.Docker, targets ...string) {
	t.Helper()
	whole, err := program.Path("lubberline")
	require.NoError(t, err)
	load(t, d, builderImage, nil, libraries(t, whole)...)
	context := buildContext(t)
	for _, target := range targets {
		args := []string{"build", "-q", "--target", target, "-t", imagesPrefix + "/" + target + ":" + imagesVersion, "--build-arg", "BUILDER=" + builderImage}
		if target == "lubberline" {
			var base []imagefile.File
			linked := []string{whole, filepath.Join(peers.RuntimePrograms(t), "runc")}
			for _, p := range []string{"nft", "ip", "mount", "umount"} {
				path, err := exec.LookPath(p)
				require.NoError(t, err)
				base = append(base, file(t, path, "/usr/bin/"+p))
				linked = append(linked, path)
			}
			load(t, d, baseImage, nil, append(base, libraries(t, linked...)...)...)
			args = append(args, "--build-arg", "BASE="+baseImage, "--build-arg", "PACKAGES=")
		}
		d.CLI(t, append(args, context)...)
	}
}

// buildContext is the repository as `docker build` would see it after a build:
// what the Dockerfile names, and bin/.
func buildContext(t *testing.T) string {
	t.Helper()
	root, dir := repository(t), t.TempDir()
	for _, path := range []string{"Dockerfile", "go.mod", "go.sum", "deploy/runtime/go.mod", "deploy/runtime/go.sum", "deploy/images/programs.sh"} {
		copyFile(t, filepath.Join(root, path), filepath.Join(dir, path))
	}
	for _, name := range []string{"lubberline", "lubberline-collector"} {
		path, err := program.Path(name)
		require.NoError(t, err)
		copyFile(t, path, filepath.Join(dir, "bin", name))
	}
	require.NoError(t, os.Rename(goBuild(t, t.TempDir(), "./deploy/compose/demo"), filepath.Join(dir, "bin/lubberline-demo")))
	require.NoError(t, os.CopyFS(filepath.Join(dir, "bin/runtime"), os.DirFS(peers.RuntimePrograms(t))))
	return dir
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
	if os.Link(from, to) == nil {
		return
	}
	data, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, data, 0o755))
}

// standIns makes the images that take the place of others'.
func standIns(t *testing.T, d *peers.Docker) {
	t.Helper()
	standin := file(t, goBuild(t, t.TempDir(), "./test/compose/standin"), "/bin/standin")
	load(t, d, grafanaImage, []string{"standin", "grafana"}, standin)

	influxd := peers.Program(t, peers.InfluxDB27)
	load(t, d, influxImage, []string{"/entrypoint"}, append(libraries(t, influxd),
		file(t, influxd, "/usr/bin/influxd"), script("entrypoint", influxEntrypoint),
		script("bin/influx", `[ "$1" = ping ] && exec wget -q -O /dev/null http://127.0.0.1:8086/health`+"\n"))...)

	load(t, d, elasticImage, []string{"/entrypoint"}, standin, script("entrypoint", elasticEntrypoint),
		script("bin/curl", `for url; do :; done; exec wget -q -O /dev/null "$url"`+"\n"))
}

// influxEntrypoint sets the server up as the public image does.
const influxEntrypoint = `set -eu
[ "$DOCKER_INFLUXDB_INIT_MODE" = setup ]
setup() {
	until wget -q -O /dev/null http://127.0.0.1:8086/health; do sleep 0.2; done
	wget -q -O /dev/null --header 'Content-Type: application/json' --post-data "$(printf \
		'{"username":"%s","password":"%s","token":"%s","org":"%s","bucket":"%s","retentionPeriodSeconds":%d}' \
		"$DOCKER_INFLUXDB_INIT_USERNAME" "$(cat "$DOCKER_INFLUXDB_INIT_PASSWORD_FILE")" "$(cat "$DOCKER_INFLUXDB_INIT_ADMIN_TOKEN_FILE")" \
		"$DOCKER_INFLUXDB_INIT_ORG" "$DOCKER_INFLUXDB_INIT_BUCKET" "$((${DOCKER_INFLUXDB_INIT_RETENTION%d} * 86400))")" \
		http://127.0.0.1:8086/api/v2/setup
}
dir=/var/lib/influxdb2
[ -e $dir/influxd.bolt ] || setup &
exec influxd run --bolt-path $dir/influxd.bolt --sqlite-path $dir/influxd.sqlite --engine-path $dir/engine
`

// elasticEntrypoint runs the server of the peers, which listens on loopback
// only, on bind mounts of this machine's Java.
const elasticEntrypoint = `set -eu
setting() { tr '\0' '\n' </proc/$$/environ | grep -qx "$1"; }
setting discovery.type=single-node
setting xpack.security.enabled=false
standin forward :9200 127.0.0.1:9201 &
exec java $ES_JAVA_OPTS -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Des.path.home=/es -Des.distribution.type=tar \
	--module-path /es/lib --add-modules=ALL-MODULE-PATH,jdk.net -cp /es Server /es /usr/share/elasticsearch/data 9201 9301
`
