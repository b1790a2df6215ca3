package image

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Reasons of a container that waits for its image.
const (
	reasonInvalidName  = "InvalidImageName"
	reasonInspect      = "ImageInspectError"
	reasonNeverPull    = "ErrImageNeverPull"
	reasonPull         = "ErrImagePull"
	reasonBackOff      = "ImagePullBackOff"
	reasonRegistry     = "RegistryUnavailable"
	reasonBadSignature = "SignatureValidationFailed"
)

// request is one container's wish for its image.
type request struct {
	pod       *corev1.Pod
	container *corev1.Container
	// image has its tag or digest.
	image string
}

// refusal is why there is no image; what the waiting state says.
type refusal struct{ reason, message string }

func (r *refusal) Error() string { return r.reason + ": " + r.message }

// Ensure implements worker.Images.
func (m *Manager) Ensure(ctx context.Context, pod *corev1.Pod, container *corev1.Container) (ref, reason, message string, err error) {
	r := request{pod: pod, container: container}
	ref, err = m.ensure(ctx, r)
	var why *refusal
	switch {
	case err == nil:
		return ref, "", "", nil
	case ctx.Err() != nil:
		return "", reasonPull, ctx.Err().Error(), err
	case errors.As(err, &why):
		m.event(r, corev1.EventTypeWarning, "Failed", "Error: %s", why.reason)
		return "", why.reason, why.message, err
	}
	return "", reasonPull, err.Error(), err
}

func (m *Manager) ensure(ctx context.Context, r request) (ref string, err error) {
	if r.image, err = withTag(r.container.Image); err != nil {
		message := fmt.Sprintf("Failed to apply default image tag %q: %v", r.container.Image, err)
		m.event(r, corev1.EventTypeWarning, "InspectFailed", "%s", message)
		return "", &refusal{reasonInvalidName, message}
	}
	if r.container.ImagePullPolicy != corev1.PullAlways {
		ref, _, err = m.inspect(ctx, r.image)
		if err != nil {
			message := fmt.Sprintf("Failed to inspect image %q: %v", r.image, err)
			m.event(r, corev1.EventTypeWarning, "InspectFailed", "%s", message)
			return "", &refusal{reasonInspect, message}
		}
	}
	switch {
	case ref != "":
		m.event(r, corev1.EventTypeNormal, "Pulled", "Container image %q already present on machine", r.container.Image)
		return ref, nil
	case r.container.ImagePullPolicy == corev1.PullNever:
		message := fmt.Sprintf("Container image %q is not present with pull policy of Never", r.container.Image)
		m.event(r, corev1.EventTypeWarning, "ErrImageNeverPull", "%s", message)
		return "", &refusal{reasonNeverPull, message}
	}
	return m.pullWithBackOff(ctx, r)
}

// withTag adds ":latest" to what has neither tag nor digest.
func withTag(image string) (string, error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", fmt.Errorf("couldn't parse image name %q: %w", image, err)
	}
	if reference.IsNameOnly(named) {
		return image + ":latest", nil
	}
	return image, nil
}

// inspect returns an empty reference for an image that is not there.
func (m *Manager) inspect(ctx context.Context, image string) (ref string, size uint64, err error) {
	s, err := m.o.Service.ImageStatus(ctx, &runtimeapi.ImageStatusRequest{Image: &runtimeapi.ImageSpec{Image: image}})
	if err != nil {
		return "", 0, err
	}
	return s.GetImage().GetId(), s.GetImage().GetSize(), nil
}

func (m *Manager) pullWithBackOff(ctx context.Context, r request) (string, error) {
	key := string(r.pod.UID) + "_" + r.container.Image
	if m.backOff.IsInBackOffSinceUpdate(key, m.o.Clock.Now()) {
		message := fmt.Sprintf("Back-off pulling image %q", r.container.Image)
		m.event(r, corev1.EventTypeNormal, "BackOff", "%s", message)
		if last := m.lastFailure(key); last != "" {
			message += ": " + last
		}
		return "", &refusal{reasonBackOff, message}
	}
	m.event(r, corev1.EventTypeNormal, "Pulling", "Pulling image %q", r.container.Image)
	start := m.o.Clock.Now()
	got, err := m.pullShared(ctx, r)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		why := classify(r.container.Image, err)
		m.event(r, corev1.EventTypeWarning, "Failed", "Failed to pull image %q: %v", r.container.Image, err)
		m.backOff.Next(key, m.o.Clock.Now())
		m.noteFailure(key, why.Error())
		return "", why
	}
	m.noteFailure(key, "")
	m.backOff.GC()
	m.event(r, corev1.EventTypeNormal, "Pulled", "Successfully pulled image %q in %v (%v including waiting). Image size: %d bytes.",
		r.container.Image, got.took.Truncate(time.Millisecond), m.o.Clock.Since(start).Truncate(time.Millisecond), got.size)
	return got.ref, nil
}

func (m *Manager) lastFailure(key string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failed[key]
}

func (m *Manager) noteFailure(key, message string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if message == "" {
		delete(m.failed, key)
		return
	}
	if len(m.failed) >= maxFailures {
		clear(m.failed) // of pods long gone, mostly; only the messages are lost
	}
	m.failed[key] = message
}

const maxFailures = 1000

// classify tells the runtime's two special errors from the rest.
func classify(image string, err error) *refusal {
	text := err.Error()
	for _, special := range []struct{ reason, what string }{
		{reasonRegistry, "the registry is unavailable"}, {reasonBadSignature, "the signature validation failed"},
	} {
		if rest, ok := strings.CutPrefix(text, special.reason); ok {
			return &refusal{special.reason, fmt.Sprintf("image pull failed for %s because %s%s", image, special.what, rest)}
		}
	}
	return &refusal{reasonPull, text}
}

func (m *Manager) event(r request, kind, reason, format string, args ...any) {
	m.o.Events.Eventf(containerReference(r), kind, reason, format, args...)
}

func containerReference(r request) *corev1.ObjectReference {
	list := "containers"
	for i := range r.pod.Spec.InitContainers {
		if r.pod.Spec.InitContainers[i].Name == r.container.Name {
			list = "initContainers"
		}
	}
	for i := range r.pod.Spec.EphemeralContainers {
		if r.pod.Spec.EphemeralContainers[i].Name == r.container.Name {
			list = "ephemeralContainers"
		}
	}
	return &corev1.ObjectReference{
		Kind: "Pod", APIVersion: "v1", Namespace: r.pod.Namespace, Name: r.pod.Name, UID: r.pod.UID,
		ResourceVersion: r.pod.ResourceVersion, FieldPath: fmt.Sprintf("spec.%s{%s}", list, r.container.Name),
	}
}
