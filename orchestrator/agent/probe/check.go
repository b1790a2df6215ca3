package probe

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/lubberline/lubberline/orchestrator/agent/environment"
)

// maxOutput is how much of a container's answer is kept.
const maxOutput = 10 << 10

// target is what a probe is made of.
type target struct {
	pod       *corev1.Pod
	container *corev1.Container
	id, ip    string
}

// reference names the container in events.
func (t target) reference() *corev1.ObjectReference {
	path := fmt.Sprintf("spec.containers{%s}", t.container.Name)
	for i := range t.pod.Spec.InitContainers {
		if t.pod.Spec.InitContainers[i].Name == t.container.Name {
			path = fmt.Sprintf("spec.initContainers{%s}", t.container.Name)
		}
	}
	return &corev1.ObjectReference{
		Kind: "Pod", APIVersion: "v1", Namespace: t.pod.Namespace, Name: t.pod.Name,
		UID: t.pod.UID, ResourceVersion: t.pod.ResourceVersion, FieldPath: path,
	}
}

type result struct {
	ok, warning bool
	output      string
}

func failure(format string, args ...any) result {
	return result{output: fmt.Sprintf(format, args...)}
}

// check makes a probe once.
func (p *Prober) check(ctx context.Context, t target, spec *corev1.Probe) (result, error) {
	timeout := max(time.Second, time.Duration(spec.TimeoutSeconds)*time.Second)
	switch {
	case spec.Exec != nil:
		return p.checkExec(ctx, t, spec.Exec.Command, timeout)
	case spec.HTTPGet != nil:
		return p.checkHTTP(ctx, t, spec.HTTPGet, timeout)
	case spec.TCPSocket != nil:
		return checkTCP(ctx, t, spec.TCPSocket, timeout)
	case spec.GRPC != nil:
		return checkGRPC(ctx, t, spec.GRPC, timeout), nil
	}
	return result{}, fmt.Errorf("missing probe handler for %s_%s(%s):%s", t.pod.Name, t.pod.Namespace, t.pod.UID, t.container.Name)
}

// execGrace is how much longer than the probe's own timeout the runtime may
// take to tell of it.
const execGrace = 10 * time.Second

func (p *Prober) checkExec(ctx context.Context, t target, command []string, timeout time.Duration) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout+execGrace)
	defer cancel()
	command = expand(command, t.container.Env)
	r, err := p.o.Runtime.ExecSync(ctx, &runtimeapi.ExecSyncRequest{ContainerId: t.id, Cmd: command, Timeout: int64(timeout / time.Second)})
	if status.Code(err) == codes.DeadlineExceeded {
		return failure("command timed out: %q timed out after %s", strings.Join(command, " "), timeout), nil
	}
	if err != nil {
		return result{}, err
	}
	output := append(r.Stdout, r.Stderr...)
	return result{ok: r.ExitCode == 0, output: string(output[:min(len(output), maxOutput)])}, nil
}

// expand knows only variables that are written out in the pod.
func expand(command []string, env []corev1.EnvVar) []string {
	values := make(map[string]string, len(env))
	for _, v := range env {
		values[v.Name] = v.Value
	}
	out := make([]string, len(command))
	for i := range command {
		out[i] = environment.Expand(command[i], environment.Lookup(values))
	}
	return out
}

func checkTCP(ctx context.Context, t target, action *corev1.TCPSocketAction, timeout time.Duration) (result, error) {
	port, err := resolvePort(action.Port, t.container)
	if err != nil {
		return result{}, err
	}
	host := action.Host
	if host == "" {
		host = t.ip
	}
	d := dialer()
	d.Timeout = timeout
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return failure("%v", err), nil
	}
	_ = conn.Close()
	return result{ok: true}, nil
}

// resolvePort finds a port by its number or by its name in the container.
func resolvePort(p intstr.IntOrString, c *corev1.Container) (int, error) {
	port := p.IntValue()
	if p.Type == intstr.String {
		for _, named := range c.Ports {
			if named.Name == p.StrVal {
				port = int(named.ContainerPort)
			}
		}
		if port == 0 {
			return 0, fmt.Errorf("port %q not found", p.StrVal)
		}
	}
	if port < 1 || port > 65535 {
		return 0, fmt.Errorf("invalid port number: %v", port)
	}
	return port, nil
}
