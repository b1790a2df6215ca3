package image

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// pullTimeout bounds a pull that makes no end; the runtime itself gives up on
// one that makes no progress.
const pullTimeout = time.Hour

type pulled struct {
	ref  string
	size uint64
	took time.Duration
}

// pullShared pulls once for all who want the image with the same credentials
// at the same time. Who stops waiting does not stop the others' pull.
func (m *Manager) pullShared(ctx context.Context, r request) (pulled, error) {
	auths := m.credentials(ctx, r)
	background := context.WithoutCancel(ctx)
	done := m.pulls.DoChan(flight(r.image, auths), func() (any, error) {
		ctx, cancel := context.WithTimeout(background, pullTimeout)
		defer cancel()
		return m.pullLimited(ctx, r, auths)
	})
	select {
	case got := <-done:
		if got.Err != nil {
			return pulled{}, got.Err
		}
		return got.Val.(pulled), nil
	case <-ctx.Done():
		return pulled{}, ctx.Err()
	}
}

func flight(image string, auths []*runtimeapi.AuthConfig) string {
	h := sha256.New()
	for _, a := range auths {
		fmt.Fprintf(h, "%q %q %q %q\n", a.Username, a.Password, a.Auth, a.IdentityToken)
	}
	return fmt.Sprintf("%s %x", image, h.Sum(nil))
}

func (m *Manager) pullLimited(ctx context.Context, r request, auths []*runtimeapi.AuthConfig) (pulled, error) {
	if m.slots != nil {
		if err := m.slots.Acquire(ctx, 1); err != nil {
			return pulled{}, err
		}
		defer m.slots.Release(1)
	}
	m.metrics.pulling.Inc()
	defer m.metrics.pulling.Dec()
	start := m.o.Clock.Now()
	ref, err := m.pull(ctx, r, auths)
	if err != nil {
		m.metrics.pulls.WithLabelValues("failed").Inc()
		return pulled{}, err
	}
	m.metrics.pulls.WithLabelValues("successful").Inc()
	got := pulled{ref: ref, took: m.o.Clock.Since(start)}
	if _, size, err := m.inspect(ctx, r.image); err == nil {
		got.size = size
	}
	return got, nil
}

// pull tries one credential after the other, or none where there is none.
func (m *Manager) pull(ctx context.Context, r request, auths []*runtimeapi.AuthConfig) (string, error) {
	if len(auths) == 0 {
		auths = []*runtimeapi.AuthConfig{nil}
	}
	spec := &runtimeapi.ImageSpec{Image: r.image, UserSpecifiedImage: r.container.Image}
	var errs []error
	for _, auth := range auths {
		got, err := m.o.Service.PullImage(ctx, &runtimeapi.PullImageRequest{Image: spec, Auth: auth})
		if err == nil {
			return got.GetImageRef(), nil
		}
		errs = append(errs, err)
	}
	return "", utilerrors.NewAggregate(errs)
}

// credentials returns those of the pod's pull secrets that are for the image's
// registry, the most specific first. Secrets that cannot be read are told by
// an event, since the pull may yet succeed.
func (m *Manager) credentials(ctx context.Context, r request) (auths []*runtimeapi.AuthConfig) {
	var found []credential
	var missing []string
	for _, s := range r.pod.Spec.ImagePullSecrets {
		if s.Name == "" {
			continue
		}
		secret, err := m.o.Secrets.Secret(ctx, r.pod.Namespace, s.Name)
		if err != nil {
			missing = append(missing, s.Name)
			continue
		}
		parsed, err := parseSecret(secret)
		if err != nil {
			m.o.Logger.Warn("cannot read an image pull secret", "namespace", r.pod.Namespace, "secret", s.Name, "err", err)
			missing = append(missing, s.Name)
		}
		found = append(found, parsed...)
	}
	if len(missing) > 0 {
		m.o.Events.Eventf(r.pod, corev1.EventTypeWarning, "FailedToRetrieveImagePullSecret",
			"Unable to retrieve some image pull secrets (%s); attempting to pull the image may not succeed.", strings.Join(missing, ", "))
	}
	return lookup(found, r.image)
}
