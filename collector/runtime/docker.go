package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/lubberline/lubberline/collector/reading"
)

// docker asks a Docker Engine, or Podman's service, which speaks the same.
type docker struct {
	runtime string
	proc    string
	http    *http.Client
}

// maxAnswer bounds an answer; an inspection is some ten kilobytes.
const maxAnswer = 16 << 20

func newDocker(runtime, socket, proc string) *docker {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	transport := &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 2, IdleConnTimeout: 10 * time.Second, DisableCompression: true}
	return &docker{runtime: runtime, proc: proc, http: &http.Client{Transport: transport}}
}

func (d *docker) close() error {
	d.http.CloseIdleConnections()
	return nil
}

// inspection is the part of GET /containers/<id>/json that is used.
type inspection struct {
	ID      string `json:"Id"`
	Name    string
	LogPath string
	State   struct {
		Running   bool
		Pid       int
		StartedAt string
	}
	Config struct {
		Image  string
		Labels map[string]string
	}
	HostConfig struct {
		LogConfig struct {
			Type string
			Path string // Podman's own form has the path here
		}
	}
	GraphDriver struct {
		Data map[string]string
	}
}

func (d *docker) container(ctx context.Context, id string) (*reading.Identity, bool, error) {
	var c inspection
	if err := d.get(ctx, "/containers/"+id+"/json", &c); err != nil {
		return nil, false, err
	}
	if c.ID != id {
		return nil, false, fmt.Errorf("answer about container %q instead of %q", c.ID, id)
	}
	identity := d.identity(&c)
	if sandbox := c.Config.Labels[labelSandboxID]; sandbox != "" && !identity.Sandbox {
		var s inspection
		if err := d.get(ctx, "/containers/"+url.PathEscape(sandbox)+"/json", &s); err != nil && !errors.Is(err, errUnknown) {
			return nil, false, fmt.Errorf("the sandbox: %w", err)
		}
		identity.Labels = podLabels(s.Config.Labels)
	}
	return identity, c.State.Running && c.State.Pid > 0, nil
}

func (d *docker) identity(c *inspection) *reading.Identity {
	name := strings.TrimPrefix(c.Name, "/")
	identity := &reading.Identity{
		Runtime: d.runtime, ContainerID: c.ID, Name: name, Image: c.Config.Image,
		PID: c.State.Pid, RootDir: c.GraphDriver.Data["UpperDir"],
	}
	if started, err := time.Parse(time.RFC3339Nano, c.State.StartedAt); err == nil && started.Year() > 1 {
		identity.Started = started
	}
	if identity.RootDir == "" && c.State.Pid > 0 {
		identity.RootDir = writableLayer(d.proc, c.State.Pid)
	}
	identity.LogPath, identity.LogFormat = d.logOf(c)
	if c.Config.Labels[labelPodName] != "" {
		nameByKubernetes(identity, c.Config.Labels)
	} else {
		nameByCompose(identity, d.runtime, c.Config.Labels)
	}
	return identity
}

// nameByCompose names a container that is a pod of its own.
func nameByCompose(identity *reading.Identity, runtime string, labels map[string]string) {
	identity.Labels = labels
	identity.Namespace, identity.Pod, identity.Container = runtime, identity.Name, identity.Name
	if project := labels["com.docker.compose.project"]; project != "" {
		identity.Namespace = project
	}
	if service := labels["com.docker.compose.service"]; service != "" {
		identity.Container = service
	}
}

// nameByKubernetes names a container that a kubelet runs through Docker.
func nameByKubernetes(identity *reading.Identity, labels map[string]string) {
	identity.Namespace, identity.Pod, identity.PodUID = labels[labelPodNamespace], labels[labelPodName], labels[labelPodUID]
	identity.Container = labels[labelContainerName]
	if identity.Container == sandboxName || identity.Container == "" {
		identity.Container, identity.Sandbox = "", true
	}
	identity.Labels = podLabels(labels)
}

// logOf is the file that the output goes to, for log drivers that write one
// which others can read.
func (d *docker) logOf(c *inspection) (path string, format reading.LogFormat) {
	path = c.LogPath
	if path == "" {
		path = c.HostConfig.LogConfig.Path
	}
	if !filepath.IsAbs(path) {
		return "", ""
	}
	switch kind := c.HostConfig.LogConfig.Type; {
	case d.runtime == Podman && (kind == "k8s-file" || kind == "json-file"):
		return path, reading.CRI // Podman's json-file is another name for k8s-file
	case d.runtime == Docker && kind == "json-file":
		return path, reading.DockerJSON
	}
	return "", ""
}

// pod finds the sandbox that a kubelet made for a pod.
func (d *docker) pod(ctx context.Context, uid string) (*reading.Identity, error) {
	filters, err := json.Marshal(map[string][]string{"label": {labelPodUID + "=" + uid, labelContainerName + "=" + sandboxName}})
	if err != nil {
		return nil, err
	}
	var list []struct{ Labels map[string]string }
	if err := d.get(ctx, "/containers/json?filters="+url.QueryEscape(string(filters)), &list); err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errUnknown
	}
	identity := &reading.Identity{Runtime: d.runtime}
	nameByKubernetes(identity, list[0].Labels)
	identity.Sandbox = false
	return identity, nil
}

// get asks without a version, which means the newest that the engine speaks:
// engines refuse versions that are too old, but the fields used are in all.
func (d *docker) get(ctx context.Context, path string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return err
	}
	response, err := d.http.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body := io.LimitReader(response.Body, maxAnswer)
	switch response.StatusCode {
	case http.StatusOK:
		if err := json.NewDecoder(body).Decode(into); err != nil {
			return fmt.Errorf("read the answer to %s: %w", path, err)
		}
		return nil
	case http.StatusNotFound:
		return errUnknown
	}
	text, _ := io.ReadAll(io.LimitReader(body, 200)) // only for people to read
	return fmt.Errorf("%s: status %d: %s", path, response.StatusCode, strings.TrimSpace(string(text)))
}
