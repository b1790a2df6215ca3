package server

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/proxy"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/streaming/pkg/httpstream/wsstream"
)

// streamsWanted is which of a process's streams the client asks for.
type streamsWanted struct{ stdin, stdout, stderr, tty bool }

func wanted(q url.Values) (streamsWanted, error) {
	on := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { v := q.Get(n); return v == "1" || v == "true" })
	}
	w := streamsWanted{stdin: on("input", "stdin"), stdout: on("output", "stdout"), stderr: on("error", "stderr"), tty: on("tty")}
	if w.tty {
		w.stderr = false // a terminal has one output
	}
	if !w.stdin && !w.stdout && !w.stderr {
		return w, errors.New("you must specify at least 1 of stdin, stdout, stderr")
	}
	return w, nil
}

// podOf finds the pod that the path names, and answers where there is none.
func (s *Server) podOf(w http.ResponseWriter, r *http.Request) *corev1.Pod {
	pod, ok := s.o.Pods.Pod(r.PathValue("namespace"), r.PathValue("pod"))
	if !ok {
		http.Error(w, "pod does not exist", http.StatusNotFound)
		return nil
	}
	if uid := r.PathValue("uid"); uid != "" && pod.UID != types.UID(uid) {
		http.Error(w, "pod not found", http.StatusNotFound)
		return nil
	}
	return pod
}

// target finds the running container and the streams wanted of it, and answers
// where that is not possible.
func (s *Server) target(w http.ResponseWriter, r *http.Request) (id string, streams streamsWanted, ok bool) {
	streams, err := wanted(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return "", streams, false
	}
	pod := s.podOf(w, r)
	if pod == nil {
		return "", streams, false
	}
	name := r.PathValue("container")
	id, running := s.o.Pods.ContainerID(pod.UID, name)
	if !running {
		http.Error(w, fmt.Sprintf("container not found (%q)", name), http.StatusInternalServerError)
		return "", streams, false
	}
	return id, streams, true
}

func (s *Server) exec(w http.ResponseWriter, r *http.Request) {
	id, streams, ok := s.target(w, r)
	if !ok {
		return
	}
	got, err := s.o.Runtime.Exec(r.Context(), &runtimeapi.ExecRequest{
		ContainerId: id, Cmd: r.URL.Query()["command"],
		Tty: streams.tty, Stdin: streams.stdin, Stdout: streams.stdout, Stderr: streams.stderr,
	})
	s.proxy(w, r, got.GetUrl(), err)
}

func (s *Server) attach(w http.ResponseWriter, r *http.Request) {
	id, streams, ok := s.target(w, r)
	if !ok {
		return
	}
	got, err := s.o.Runtime.Attach(r.Context(), &runtimeapi.AttachRequest{
		ContainerId: id, Tty: streams.tty, Stdin: streams.stdin, Stdout: streams.stdout, Stderr: streams.stderr,
	})
	s.proxy(w, r, got.GetUrl(), err)
}

func (s *Server) portForward(w http.ResponseWriter, r *http.Request) {
	ports, err := portsOf(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	pod := s.podOf(w, r)
	if pod == nil {
		return
	}
	id, running := s.o.Pods.SandboxID(pod.UID)
	if !running {
		http.Error(w, fmt.Sprintf("pod %s_%s(%s) not found", pod.Name, pod.Namespace, pod.UID), http.StatusInternalServerError)
		return
	}
	got, err := s.o.Runtime.PortForward(r.Context(), &runtimeapi.PortForwardRequest{PodSandboxId: id, Port: ports})
	s.proxy(w, r, got.GetUrl(), err)
}

// portsOf reads the ports that WebSocket clients must name beforehand; with
// SPDY each stream names its own.
func portsOf(r *http.Request) (ports []int32, err error) {
	named := r.URL.Query()["port"]
	if wsstream.IsWebSocketRequest(r) && len(named) == 0 {
		return nil, errors.New(`query parameter "port" is required`)
	}
	for _, text := range named {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("port %q is not a number from 1 to 65535", text)
		}
		ports = append(ports, int32(n))
	}
	return ports, nil
}

// proxy hands the connection over to the runtime's own server of streams.
func (s *Server) proxy(w http.ResponseWriter, r *http.Request, to string, err error) {
	if err != nil {
		http.Error(w, err.Error(), httpCode(err))
		return
	}
	u, err := url.Parse(to)
	if err != nil || u.Host == "" {
		http.Error(w, fmt.Sprintf("the container runtime gives no address to stream from: %q", to), http.StatusInternalServerError)
		return
	}
	s.streams.during(w, r, proxy.NewUpgradeAwareHandler(u, nil, false, true, responder{s}))
}

func httpCode(err error) int {
	switch status.Code(err) {
	case codes.NotFound:
		return http.StatusNotFound
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	}
	return http.StatusInternalServerError
}

// responder answers for the proxy.
type responder struct{ s *Server }

func (r responder) Error(w http.ResponseWriter, req *http.Request, err error) {
	r.s.o.Logger.Debug("cannot stream", "path", req.URL.Path, "err", err)
	http.Error(w, err.Error(), http.StatusInternalServerError)
}
