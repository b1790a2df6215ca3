package worker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// hook is the container that a lifecycle hook runs for.
type hook struct {
	pod       *v1.Pod
	container *v1.Container // nil when the spec does not have it any more
	id        string
	podIPs    []string
}

func (h hook) preStop() *v1.LifecycleHandler {
	if h.container == nil || h.container.Lifecycle == nil {
		return nil
	}
	return h.container.Lifecycle.PreStop
}

// execTimeout is the bound for hooks whose context has no deadline: postStart
// may take its time, but not a worker for ever.
const execTimeout = time.Hour

// runHook runs a hook to its end. The error's text is for the API: it may tell
// the output of the user's own command.
func (w *worker) runHook(ctx context.Context, h hook, handler *v1.LifecycleHandler) error {
	switch {
	case handler.Exec != nil:
		return w.execHook(ctx, h, handler.Exec.Command)
	case handler.HTTPGet != nil:
		if err := httpHook(ctx, h, handler.HTTPGet); err != nil {
			return fmt.Errorf("HTTP lifecycle hook (%s) for Container %q in Pod %q failed - error: %w", handler.HTTPGet.Path, h.container.Name, describe(h.pod), err)
		}
		return nil
	case handler.TCPSocket != nil:
		return tcpHook(ctx, h, handler.TCPSocket)
	case handler.Sleep != nil:
		return sleep(ctx, time.Duration(handler.Sleep.Seconds)*time.Second)
	}
	return errors.New("cannot run handler: invalid handler")
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errors.New("container terminated before sleep hook finished")
	}
}

func (w *worker) execHook(ctx context.Context, h hook, command []string) error {
	timeout := execTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(deadline), time.Second)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := w.o.Runtime.ExecSync(ctx, &cri.ExecSyncRequest{ContainerId: h.id, Cmd: command, Timeout: int64(timeout / time.Second)})
	if err == nil && answer.GetExitCode() != 0 {
		err = fmt.Errorf("command '%s' exited with %d: %s", strings.Join(command, " "), answer.GetExitCode(), answer.GetStderr())
	}
	if err != nil {
		//nolint:staticcheck // an event's message, in Kubernetes' words
		return fmt.Errorf("Exec lifecycle hook (%v) for Container %q in Pod %q failed - error: %w, message: %q",
			command, h.container.Name, describe(h.pod), err, string(answer.GetStdout())+string(answer.GetStderr()))
	}
	return nil
}

// maxHookBody is how much of a hook's answer is read so that the connection can
// be used again, in bytes.
const maxHookBody = 10 << 10

// httpHook sends the request. Any answer will do: Kubernetes looks at none. An
// HTTPS request to a server that speaks HTTP is sent again as HTTP.
func httpHook(ctx context.Context, h hook, get *v1.HTTPGetAction) error {
	target, err := h.url(get)
	if err != nil {
		return err
	}
	err = send(ctx, target, get)
	if err != nil && target.Scheme == "https" && isPlainHTTP(err) {
		target.Scheme = "http"
		err = send(ctx, target, get)
	}
	return err
}

func (h hook) url(get *v1.HTTPGetAction) (*url.URL, error) {
	port, err := portOf(get.Port, h.container)
	if err != nil {
		return nil, err
	}
	host, err := h.host(get.Host)
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(get.Path)
	if err != nil {
		// Kubernetes takes what is no URL as a plain path.
		target = &url.URL{Path: get.Path}
	}
	target.Scheme, target.Host = "http", net.JoinHostPort(host, strconv.Itoa(port))
	if get.Scheme == v1.URISchemeHTTPS {
		target.Scheme = "https"
	}
	return target, nil
}

func (h hook) host(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	if len(h.podIPs) == 0 {
		return "", errors.New("failed to find networking container: the pod has no address")
	}
	return h.podIPs[0], nil
}

func portOf(port intstr.IntOrString, container *v1.Container) (int, error) {
	if port.Type == intstr.Int {
		return port.IntValue(), nil
	}
	if n, err := strconv.Atoi(port.StrVal); err == nil {
		return n, nil
	}
	for i := range container.Ports {
		if container.Ports[i].Name == port.StrVal {
			return int(container.Ports[i].ContainerPort), nil
		}
	}
	return 0, fmt.Errorf("couldn't find port: %v in container %s", port.StrVal, container.Name)
}

func send(ctx context.Context, target *url.URL, get *v1.HTTPGetAction) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "*/*")
	request.Header.Set("User-Agent", "kube-lifecycle/1.37")
	for _, header := range get.HTTPHeaders {
		request.Header.Add(header.Name, header.Value)
		if http.CanonicalHeaderKey(header.Name) == "Host" {
			request.Host = header.Value
		}
	}
	// A hook's server has no certificate that the node could know.
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, maxHookBody)
	return nil
}

func isPlainHTTP(err error) bool {
	var record tls.RecordHeaderError
	return errors.As(err, &record) || errors.Is(err, http.ErrSchemeMismatch)
}

func tcpHook(ctx context.Context, h hook, socket *v1.TCPSocketAction) error {
	port, err := portOf(socket.Port, h.container)
	if err != nil {
		return err
	}
	host, err := h.host(socket.Host)
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return conn.Close()
}
