package validation

import (
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateLifecycle checks hooks and probes of a container at path.
func (c *specCheck) validateLifecycle(container *v1.Container, path *field.Path) (errs field.ErrorList) {
	if lifecycle := container.Lifecycle; lifecycle != nil {
		at := path.Child("lifecycle")
		errs = slices.Concat(
			c.validateHook(lifecycle.PostStart, at.Child("postStart")),
			c.validateHook(lifecycle.PreStop, at.Child("preStop")),
			c.validateStopSignal(lifecycle.StopSignal, at.Child("stopSignal")))
	}
	return slices.Concat(errs,
		c.validateProbe(container.LivenessProbe, liveness, path),
		c.validateProbe(container.ReadinessProbe, readiness, path),
		c.validateProbe(container.StartupProbe, startup, path))
}

// The fields of the probes.
const (
	liveness  = "livenessProbe"
	readiness = "readinessProbe"
	startup   = "startupProbe"
)

// validateProbe checks a container's probe of that kind.
func (c *specCheck) validateProbe(probe *v1.Probe, kind string, path *field.Path) field.ErrorList {
	if probe == nil {
		return nil
	}
	path = path.Child(kind)
	errs := slices.Concat(
		c.validateHandler(handler{probe.Exec, probe.HTTPGet, probe.TCPSocket, probe.GRPC, nil}, path),
		validateNonnegative(int64(probe.InitialDelaySeconds), path.Child("initialDelaySeconds")),
		validateNonnegative(int64(probe.TimeoutSeconds), path.Child("timeoutSeconds")),
		validateNonnegative(int64(probe.PeriodSeconds), path.Child("periodSeconds")),
		validateNonnegative(int64(probe.SuccessThreshold), path.Child("successThreshold")),
		validateNonnegative(int64(probe.FailureThreshold), path.Child("failureThreshold")))
	grace := probe.TerminationGracePeriodSeconds
	if grace != nil && *grace <= 0 {
		errs = append(errs, field.Invalid(path.Child("terminationGracePeriodSeconds"), *grace, "must be greater than 0"))
	}
	if kind == readiness && grace != nil {
		errs = append(errs, field.Invalid(path.Child("terminationGracePeriodSeconds"), grace, "must not be set for readinessProbes"))
	}
	if kind != readiness && probe.SuccessThreshold != 1 {
		errs = append(errs, field.Invalid(path.Child("successThreshold"), probe.SuccessThreshold, "must be 1"))
	}
	return errs
}

func (c *specCheck) validateHook(hook *v1.LifecycleHandler, path *field.Path) field.ErrorList {
	if hook == nil {
		return nil
	}
	return c.validateHandler(handler{hook.Exec, hook.HTTPGet, hook.TCPSocket, nil, hook.Sleep}, path)
}

// handler is what a probe or hook does: exactly one of these.
type handler struct {
	exec  *v1.ExecAction
	http  *v1.HTTPGetAction
	tcp   *v1.TCPSocketAction
	grpc  *v1.GRPCAction
	sleep *v1.SleepAction
}

func (c *specCheck) validateHandler(h handler, path *field.Path) (errs field.ErrorList) {
	given := 0
	check := func(present bool, name string, validate func(*field.Path) field.ErrorList) {
		switch {
		case !present:
		case given > 0:
			errs = append(errs, field.Forbidden(path.Child(name), "may not specify more than 1 handler type"))
		default:
			given++
			errs = append(errs, validate(path.Child(name))...)
		}
	}
	check(h.exec != nil, "exec", func(at *field.Path) field.ErrorList {
		if len(h.exec.Command) == 0 {
			return field.ErrorList{field.Required(at.Child("command"), "")}
		}
		return nil
	})
	check(h.http != nil, "httpGet", func(at *field.Path) field.ErrorList { return validateHTTPGet(h.http, at) })
	check(h.tcp != nil, "tcpSocket", func(at *field.Path) field.ErrorList {
		return validatePortNumberOrName(h.tcp.Port, at.Child("port"))
	})
	check(h.grpc != nil, "grpc", func(at *field.Path) field.ErrorList {
		return validatePortNumberOrName(intstr.FromInt32(h.grpc.Port), at.Child("port"))
	})
	check(h.sleep != nil, "sleep", func(at *field.Path) field.ErrorList { return c.validateSleep(h.sleep, at) })
	if given == 0 {
		errs = append(errs, field.Required(path, "must specify a handler type"))
	}
	return errs
}

func validateHTTPGet(get *v1.HTTPGetAction, path *field.Path) field.ErrorList {
	errs := slices.Concat(
		required(path.Child("path"), get.Path, ""),
		validatePortNumberOrName(get.Port, path.Child("port")),
		oneOf(path.Child("scheme"), get.Scheme, v1.URISchemeHTTP, v1.URISchemeHTTPS))
	for _, header := range get.HTTPHeaders {
		errs = append(errs, invalid(path.Child("httpHeaders"), header.Name, validation.IsHTTPHeaderName(header.Name))...)
	}
	return errs
}

// validateSleep checks that a hook's sleep ends within the pod's grace.
func (c *specCheck) validateSleep(sleep *v1.SleepAction, path *field.Path) field.ErrorList {
	grace := c.spec.TerminationGracePeriodSeconds
	if grace == nil || sleep.Seconds >= 0 && sleep.Seconds <= *grace {
		return nil
	}
	detail := fmt.Sprintf("must be non-negative and less than terminationGracePeriodSeconds (%d)", *grace)
	return field.ErrorList{field.Invalid(path, sleep.Seconds, detail)}
}

func (c *specCheck) validateStopSignal(signal *v1.Signal, path *field.Path) field.ErrorList {
	switch {
	case signal == nil:
		return nil
	case c.spec.OS == nil:
		return field.ErrorList{field.Forbidden(path, "may not be set for containers with empty `spec.os.name`")}
	case c.spec.OS.Name == v1.Windows:
		return oneOf(path, *signal, v1.SIGKILL, v1.SIGTERM)
	case c.spec.OS.Name == v1.Linux:
		return oneOf(path, *signal, linuxSignals()...)
	}
	return nil
}

// linuxSignals are the names of all signals, as Kubernetes gives them.
func linuxSignals() []v1.Signal {
	signals := []v1.Signal{
		v1.SIGABRT, v1.SIGALRM, v1.SIGBUS, v1.SIGCHLD, v1.SIGCLD, v1.SIGCONT, v1.SIGFPE, v1.SIGHUP, v1.SIGILL, v1.SIGINT,
		v1.SIGIO, v1.SIGIOT, v1.SIGKILL, v1.SIGPIPE, v1.SIGPOLL, v1.SIGPROF, v1.SIGPWR, v1.SIGQUIT, v1.SIGSEGV, v1.SIGSTKFLT,
		v1.SIGSTOP, v1.SIGSYS, v1.SIGTERM, v1.SIGTRAP, v1.SIGTSTP, v1.SIGTTIN, v1.SIGTTOU, v1.SIGURG, v1.SIGUSR1, v1.SIGUSR2,
		v1.SIGVTALRM, v1.SIGWINCH, v1.SIGXCPU, v1.SIGXFSZ, v1.SIGRTMIN, v1.SIGRTMAX,
	}
	for i := 1; i <= 15; i++ {
		signals = append(signals, v1.Signal(fmt.Sprintf("%s+%d", v1.SIGRTMIN, i)))
	}
	for i := 1; i <= 14; i++ {
		signals = append(signals, v1.Signal(fmt.Sprintf("%s-%d", v1.SIGRTMAX, i)))
	}
	return signals
}
