package volume

import (
	"context"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A token is asked for anew after this share of its life, and daily.
const (
	tokenLife    = 0.8
	tokenMaxAge  = 24 * time.Hour
	defaultToken = int64(3600) // seconds
)

type token struct {
	value            string
	refresh, expires time.Time
}

// projectToken puts the service account's token into files, a new one when it
// is time. A token that is still good goes on when the server gives none.
func (m *Manager) projectToken(ctx context.Context, p *podVolumes, name string, s *corev1.ServiceAccountTokenProjection, mode int32, files map[string]file) error {
	key := name + "/" + s.Path
	now := m.o.Clock.Now()
	t := p.tokens[key]
	if t.value == "" || !now.Before(t.refresh) {
		fresh, err := m.requestToken(ctx, p.pod, s, now)
		switch {
		case err == nil:
			t = fresh
		case t.value == "" || !now.Before(t.expires):
			return fmt.Errorf("failed to fetch token: %w", err)
		default:
			t.refresh = now.Add(min(time.Minute, t.expires.Sub(now)))
		}
		p.tokens[key] = t
		m.refresh.AddAfter(p.pod.UID, t.refresh.Sub(now))
	}
	f := file{data: []byte(t.value), mode: mode, uid: fsUser(p.pod)}
	if f.uid != nil || fsGroup(p.pod) != nil {
		f.mode = 0o600
	}
	files[s.Path] = f
	return nil
}

func (m *Manager) requestToken(ctx context.Context, pod *corev1.Pod, s *corev1.ServiceAccountTokenProjection, now time.Time) (token, error) {
	seconds := defaultToken
	if s.ExpirationSeconds != nil {
		seconds = *s.ExpirationSeconds
	}
	var audiences []string
	if s.Audience != "" {
		audiences = []string{s.Audience}
	}
	got, err := m.o.Client.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, pod.Spec.ServiceAccountName, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{
			Audiences: audiences, ExpirationSeconds: &seconds,
			BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return token{}, err
	}
	m.metrics.tokens.Inc()
	t := token{value: got.Status.Token, expires: got.Status.ExpirationTimestamp.Time}
	if t.expires.IsZero() {
		t.expires = now.Add(time.Duration(seconds) * time.Second)
	}
	life := t.expires.Sub(now)
	t.refresh = now.Add(max(time.Second, min(time.Duration(float64(life)*tokenLife), tokenMaxAge)))
	return t, nil
}
