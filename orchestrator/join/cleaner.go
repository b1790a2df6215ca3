package join

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
)

// cleanEvery is how often tokens are looked through that have ended.
const cleanEvery = 10 * time.Minute

// Cleaner deletes the Secrets of tokens that have ended.
type Cleaner struct {
	Client kubernetes.Interface
	Clock  clock.WithTicker // nil is the system's
	Logger *slog.Logger
}

// Run cleans until ctx ends.
func (c *Cleaner) Run(ctx context.Context) error {
	if c.Clock == nil {
		c.Clock = clock.RealClock{}
	}
	ticks := c.Clock.NewTicker(cleanEvery)
	defer ticks.Stop()
	for {
		if err := c.clean(ctx); err != nil && ctx.Err() == nil {
			c.Logger.Warn("tokens that have ended are not deleted", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C():
		}
	}
}

func (c *Cleaner) clean(ctx context.Context) error {
	secrets := c.Client.CoreV1().Secrets(metav1.NamespaceSystem)
	list, err := secrets.List(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("type", string(SecretType)).String()})
	if err != nil {
		return fmt.Errorf("list tokens: %w", err)
	}
	var errs []error
	for i := range list.Items {
		one := &list.Items[i]
		kept, err := ReadSecret(one)
		if err != nil || !kept.Ended(c.Clock.Now()) {
			continue // what is no token of ours is not ours to delete
		}
		err = secrets.Delete(ctx, one.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(one.UID))})
		if err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("delete token %s: %w", kept.ID, err))
		}
	}
	return errors.Join(errs...)
}
