package join

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Objects are what the server looks at. What it returns is only read.
type Objects interface {
	Secret(ctx context.Context, namespace, name string) (*corev1.Secret, error)
	Node(ctx context.Context, name string) (*corev1.Node, error)
}

var errUnknown = errors.New("the token is not known: `lubberline token list` on the control host shows those that are, `lubberline token create` makes one")

// checkToken says why a token does not let its machine in. What is wrong with a
// known one is told only to those who know its secret.
func checkToken(ctx context.Context, objects Objects, text string, now time.Time) error {
	shown, err := ParseToken(text, "")
	if err != nil {
		return err
	}
	secret, err := objects.Secret(ctx, metav1.NamespaceSystem, SecretPrefix+shown.ID)
	if apierrors.IsNotFound(err) {
		return errUnknown
	}
	if err != nil {
		return fmt.Errorf("token %s: %w", shown.ID, err)
	}
	kept, err := ReadSecret(secret)
	switch {
	case err != nil:
		return err
	case subtle.ConstantTimeCompare([]byte(kept.Secret), []byte(shown.Secret)) != 1:
		return errUnknown
	case secret.DeletionTimestamp != nil || !kept.LetsIn:
		return fmt.Errorf("token %s lets nobody in", shown.ID)
	case kept.Ended(now):
		return fmt.Errorf("token %s has expired at %s: `lubberline token create` on the control host makes another", shown.ID, kept.Ends.Format(time.RFC3339))
	}
	return nil
}
