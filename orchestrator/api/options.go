package api

import (
	"fmt"
	"net/url"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/runtime"
)

// addOptions registers how the parameters of a URL become the options of
// subresources that are connected to or read as a stream.
func addOptions(s *runtime.Scheme) error {
	adders := []func(*runtime.Scheme) error{
		options(func(p parameters, o *corev1.PodLogOptions) {
			p.text("container", &o.Container)
			p.flag("follow", &o.Follow)
			p.flag("previous", &o.Previous)
			p.number("sinceSeconds", &o.SinceSeconds)
			p.time("sinceTime", &o.SinceTime)
			p.flag("timestamps", &o.Timestamps)
			p.number("tailLines", &o.TailLines)
			p.number("limitBytes", &o.LimitBytes)
			p.flag("insecureSkipTLSVerifyBackend", &o.InsecureSkipTLSVerifyBackend)
			p.optionalText("stream", &o.Stream)
		}),
		options(func(p parameters, o *corev1.PodExecOptions) {
			p.flag("stdin", &o.Stdin)
			p.flag("stdout", &o.Stdout)
			p.flag("stderr", &o.Stderr)
			p.flag("tty", &o.TTY)
			p.text("container", &o.Container)
			o.Command = p.values["command"]
		}),
		options(func(p parameters, o *corev1.PodAttachOptions) {
			p.flag("stdin", &o.Stdin)
			p.flag("stdout", &o.Stdout)
			p.flag("stderr", &o.Stderr)
			p.flag("tty", &o.TTY)
			p.text("container", &o.Container)
		}),
		options(func(p parameters, o *corev1.PodPortForwardOptions) { p.ports("ports", &o.Ports) }),
		options(func(p parameters, o *corev1.PodProxyOptions) { p.text("path", &o.Path) }),
		options(func(p parameters, o *corev1.NodeProxyOptions) { p.text("path", &o.Path) }),
		options(func(p parameters, o *corev1.ServiceProxyOptions) { p.text("path", &o.Path) }),
	}
	for _, add := range adders {
		if err := add(s); err != nil {
			return fmt.Errorf("conversion of options: %w", err)
		}
	}
	return nil
}

func options[T any](fill func(parameters, *T)) func(*runtime.Scheme) error {
	return func(s *runtime.Scheme) error {
		return s.AddConversionFunc((*url.Values)(nil), (*T)(nil), func(in, out any, scope conversion.Scope) error {
			p := parameters{values: *in.(*url.Values), scope: scope, err: new(error)}
			fill(p, out.(*T))
			return *p.err
		})
	}
}

// parameters reads values and keeps the first error. Setting nothing is what it
// does for a name that is not there.
type parameters struct {
	values url.Values
	scope  conversion.Scope
	err    *error
}

func (p parameters) read(name string, convert func(values *[]string) error) {
	values, ok := p.values[name]
	if !ok || len(values) == 0 || *p.err != nil {
		return
	}
	if err := convert(&values); err != nil {
		*p.err = fmt.Errorf("%s: %w", name, err)
	}
}

func (p parameters) text(name string, out *string) {
	p.read(name, func(v *[]string) error { return runtime.Convert_Slice_string_To_string(v, out, p.scope) })
}

func (p parameters) optionalText(name string, out **string) {
	p.read(name, func(v *[]string) error { *out = &(*v)[0]; return nil })
}

func (p parameters) flag(name string, out *bool) {
	p.read(name, func(v *[]string) error { return runtime.Convert_Slice_string_To_bool(v, out, p.scope) })
}

func (p parameters) number(name string, out **int64) {
	p.read(name, func(v *[]string) error { return runtime.Convert_Slice_string_To_Pointer_int64(v, out, p.scope) })
}

func (p parameters) time(name string, out **metav1.Time) {
	p.read(name, func(v *[]string) error { return metav1.Convert_Slice_string_To_Pointer_v1_Time(v, out, p.scope) })
}

func (p parameters) ports(name string, out *[]int32) {
	p.read(name, func(v *[]string) error { return metav1.Convert_Slice_string_To_Slice_int32(v, out, p.scope) })
}
