package server

import (
	"fmt"
	"net/url"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// logOptions reads the query of a request for logs.
func logOptions(q url.Values) (*corev1.PodLogOptions, error) {
	if tail := q.Get("tail"); tail != "" { // the oldest form of the parameter
		q.Set("tailLines", tail)
		if tail == "all" {
			q.Del("tailLines")
		}
	}
	p := params{q: q}
	o := &corev1.PodLogOptions{
		Container:  q.Get("container"),
		Follow:     p.flag("follow"),
		Previous:   p.flag("previous"),
		Timestamps: p.flag("timestamps"),
		TailLines:  p.number("tailLines"), LimitBytes: p.number("limitBytes"), SinceSeconds: p.number("sinceSeconds"),
		SinceTime: p.time("sinceTime"),
	}
	if s := q.Get("stream"); s != "" {
		o.Stream = &s
	}
	return o, p.err
}

// params reads single parameters and keeps the first error.
type params struct {
	q   url.Values
	err error
}

func (p *params) fail(name, value, want string) {
	if p.err == nil {
		p.err = fmt.Errorf("parameter %s=%q is not %s", name, value, want)
	}
}

// flag is on also where the parameter has no value.
func (p *params) flag(name string) bool {
	if !p.q.Has(name) {
		return false
	}
	value := p.q.Get(name)
	if value == "" {
		return true
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		p.fail(name, value, "true or false")
	}
	return on
}

func (p *params) number(name string) *int64 {
	value := p.q.Get(name)
	if value == "" {
		return nil
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		p.fail(name, value, "a number")
		return nil
	}
	return &n
}

func (p *params) time(name string) *metav1.Time {
	value := p.q.Get(name)
	if value == "" {
		return nil
	}
	t, err := time.Parse(time.RFC3339, value)
	if err != nil {
		p.fail(name, value, "an RFC 3339 time")
		return nil
	}
	return new(metav1.NewTime(t))
}
