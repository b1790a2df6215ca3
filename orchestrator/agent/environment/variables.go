package environment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/lubberline/lubberline/orchestrator/agent/environment/downward"
)

// errSkip is given back for a variable whose optional source is not there.
var errSkip = errors.New("optional source not found")

// variables is the environment of one container being made. What comes later
// replaces what has the same name, at its place.
type variables struct {
	e         *Environment
	pod       *corev1.Pod
	container *corev1.Container
	podIPs    []string
	services  map[string]string
	values    map[string]string
	order     []string
}

// Env returns the container's variables: envFrom, then env in its order, then
// those of the services that are not set already. The error's text is meant for
// the waiting state of the container.
func (e *Environment) Env(ctx context.Context, pod *corev1.Pod, container *corev1.Container, podIPs []string) ([]*runtimeapi.KeyValue, error) {
	if !e.o.ServicesSynced() {
		return nil, fmt.Errorf("services have not yet been read at least once, cannot construct envvars")
	}
	all, err := e.o.Services.List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("failed to list services when setting up env vars")
	}
	links := pod.Spec.EnableServiceLinks == nil || *pod.Spec.EnableServiceLinks
	v := &variables{
		e: e, pod: pod, container: container, podIPs: podIPs,
		services: Services(all, pod.Namespace, links), values: map[string]string{},
	}
	if err := v.fromSources(ctx); err != nil {
		return nil, err
	}
	if err := v.fromList(ctx); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(v.services)) {
		if _, set := v.values[name]; !set {
			v.set(name, v.services[name])
		}
	}
	return v.result(), nil
}

func (v *variables) set(name, value string) {
	if _, set := v.values[name]; !set {
		v.order = append(v.order, name)
	}
	v.values[name] = value
}

func (v *variables) result() []*runtimeapi.KeyValue {
	out := make([]*runtimeapi.KeyValue, len(v.order))
	for i, name := range v.order {
		out[i] = &runtimeapi.KeyValue{Key: name, Value: []byte(v.values[name])}
	}
	return out
}

func (v *variables) fromSources(ctx context.Context) error {
	for _, from := range v.container.EnvFrom {
		data, source, err := v.source(ctx, from)
		if errors.Is(err, errSkip) {
			continue
		}
		if err != nil {
			return err
		}
		v.setAll(from.Prefix, data, source)
	}
	return nil
}

// source reads a whole ConfigMap or Secret; name is what events call it.
func (v *variables) source(ctx context.Context, from corev1.EnvFromSource) (data map[string]string, name string, err error) {
	switch {
	case from.ConfigMapRef != nil:
		m, err := v.configMap(ctx, from.ConfigMapRef.Name, from.ConfigMapRef.Optional)
		if err != nil {
			return nil, "", err
		}
		return m.Data, "ConfigMap " + v.pod.Namespace + "/" + from.ConfigMapRef.Name, nil
	case from.SecretRef != nil:
		s, err := v.secret(ctx, from.SecretRef.Name, from.SecretRef.Optional)
		if err != nil {
			return nil, "", err
		}
		data = make(map[string]string, len(s.Data))
		for k, b := range s.Data {
			data[k] = string(b)
		}
		return data, "Secret " + v.pod.Namespace + "/" + from.SecretRef.Name, nil
	}
	return nil, "", errSkip
}

// setAll takes the keys that can be names; the others are told by an event.
func (v *variables) setAll(prefix string, data map[string]string, source string) {
	var invalid []string
	for _, key := range slices.Sorted(maps.Keys(data)) {
		name := prefix + key
		if len(validation.IsRelaxedEnvVarName(name)) > 0 {
			invalid = append(invalid, name)
			continue
		}
		v.set(name, data[key])
	}
	if len(invalid) > 0 {
		v.e.o.Events.Eventf(v.pod, corev1.EventTypeWarning, "InvalidEnvironmentVariableNames",
			"Keys [%s] from the EnvFrom %s were skipped since they are considered invalid environment variable names.", strings.Join(invalid, ", "), source)
	}
}

func (v *variables) fromList(ctx context.Context) error {
	mapping := Lookup(v.values, v.services)
	for i := range v.container.Env {
		env := &v.container.Env[i]
		value := ""
		var err error
		switch {
		case env.Value != "":
			value = Expand(env.Value, mapping)
		case env.ValueFrom != nil:
			value, err = v.reference(ctx, env.ValueFrom)
		}
		if errors.Is(err, errSkip) {
			continue
		}
		if err != nil {
			return err
		}
		v.set(env.Name, value)
	}
	return nil
}

func (v *variables) reference(ctx context.Context, from *corev1.EnvVarSource) (string, error) {
	switch {
	case from.FieldRef != nil:
		return downward.Field(v.pod, from.FieldRef.FieldPath, v.e.o.Host(), v.podIPs)
	case from.ResourceFieldRef != nil:
		return downward.Resource(v.pod, v.container, from.ResourceFieldRef, v.e.o.Host())
	case from.ConfigMapKeyRef != nil:
		return v.configMapKey(ctx, from.ConfigMapKeyRef)
	case from.SecretKeyRef != nil:
		return v.secretKey(ctx, from.SecretKeyRef)
	case from.FileKeyRef != nil:
		return "", fmt.Errorf("fileKeyRef is not supported by this node")
	}
	return "", nil
}

func (v *variables) configMapKey(ctx context.Context, ref *corev1.ConfigMapKeySelector) (string, error) {
	m, err := v.configMap(ctx, ref.Name, ref.Optional)
	if err != nil {
		return "", err
	}
	value, ok := m.Data[ref.Key]
	if !ok {
		return "", v.noKey(ref.Key, "ConfigMap", ref.Name, ref.Optional)
	}
	return value, nil
}

func (v *variables) secretKey(ctx context.Context, ref *corev1.SecretKeySelector) (string, error) {
	s, err := v.secret(ctx, ref.Name, ref.Optional)
	if err != nil {
		return "", err
	}
	value, ok := s.Data[ref.Key]
	if !ok {
		return "", v.noKey(ref.Key, "Secret", ref.Name, ref.Optional)
	}
	return string(value), nil
}

func (v *variables) noKey(key, kind, name string, optional *bool) error {
	if optional != nil && *optional {
		return errSkip
	}
	return fmt.Errorf("couldn't find key %v in %s %v/%v", key, kind, v.pod.Namespace, name)
}

func (v *variables) configMap(ctx context.Context, name string, optional *bool) (*corev1.ConfigMap, error) {
	m, err := v.e.o.Objects.ConfigMap(ctx, v.pod.Namespace, name)
	if ignorable(err, optional) {
		return nil, errSkip
	}
	return m, err
}

func (v *variables) secret(ctx context.Context, name string, optional *bool) (*corev1.Secret, error) {
	s, err := v.e.o.Objects.Secret(ctx, v.pod.Namespace, name)
	if ignorable(err, optional) {
		return nil, errSkip
	}
	return s, err
}
