package rollingupdate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// DefaultKey is the label that tells the pods of two controllers apart.
const DefaultKey = "deployment"

// Request is an update as a person asks for it.
type Request struct {
	Namespace string
	// Old is the controller to be replaced. New names the one that takes over;
	// empty gives it the name of the manifest, or with an image a name for the
	// meantime, and the old name at the end.
	Old, New string
	// Image, of Container, with PullPolicy unless that is empty.
	Image, Container string
	PullPolicy       corev1.PullPolicy
	// Manifest is the controller that takes over, in place of an image.
	Manifest *corev1.ReplicationController
	// Key is the label that tells the pods apart, where Image is given.
	Key string
	// Rollback takes back an update that is not finished.
	Rollback bool
}

// Validate reports what cannot be meant, in the words of kubectl.
func (r *Request) Validate() error {
	var errs []error
	fail := func(text string) { errs = append(errs, errors.New(text)) }
	if r.Old == "" {
		fail("must specify the controller to update")
	}
	if r.Key == "" {
		fail("--deployment-label-key can not be empty")
	}
	switch given := r.Image != "" || r.Manifest != nil; {
	case r.Rollback && given:
		fail("don't specify --filename or --image on rollback")
	case !r.Rollback && !given:
		fail("must specify --filename or --image for new controller")
	case r.Image != "" && r.Manifest != nil:
		fail("--filename and --image can not both be specified")
	}
	if r.New == r.Old && r.New != "" || r.Manifest != nil && r.Manifest.Name == r.Old {
		fail(fmt.Sprintf("the new controller cannot have the same name as the existing ReplicationController %s", r.Old))
	}
	if r.Manifest != nil && r.New != "" && r.New != r.Manifest.Name {
		fail(fmt.Sprintf("the manifest is of %s, not of %s", r.Manifest.Name, r.New))
	}
	switch r.PullPolicy {
	case "", corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever:
	default:
		fail(fmt.Sprintf("--image-pull-policy: %q: want Always, Never or IfNotPresent", r.PullPolicy))
	}
	return errors.Join(errs...)
}

// Resolve makes the plan of a request that is valid, from what is there: of a
// new update, or of one that was begun before.
func Resolve(ctx context.Context, client kubernetes.Interface, r Request) (*Plan, error) {
	controllers := client.CoreV1().ReplicationControllers(r.Namespace)
	old, err := controllers.Get(ctx, r.Old, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err) && !r.Rollback:
		return resolveDeleted(ctx, client, r, err)
	case err != nil:
		return nil, err
	case r.Rollback:
		return resolveRollback(r, old)
	case r.renames() && isRenamed(old):
		value := strings.TrimSuffix(old.Spec.Selector[r.Key], renamedSuffix)
		return &Plan{From: r.Old, To: sourceName(old), Key: r.Key, Rename: true, NewValue: value}, nil
	}
	target, err := r.target(old)
	if err != nil {
		return nil, err
	}
	next, err := controllers.Get(ctx, target.Name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, err
	}
	plan := &Plan{From: r.Old, To: target.Name, Target: target}
	if r.Image != "" {
		plan.Key, plan.OldValue = r.Key, oldValue(old)
		plan.Rename, plan.NewValue = r.renames(), target.Spec.Selector[r.Key]
	}
	if err == nil {
		return plan, r.resume(plan, next)
	}
	return plan, nil
}

// renames tells whether the new controller gets the old one's name.
func (r *Request) renames() bool { return r.Image != "" && r.New == "" }

// resume checks that a controller which exists already is what is asked for.
func (r *Request) resume(plan *Plan, next *corev1.ReplicationController) error {
	if r.Image == "" {
		return nil
	}
	i, err := containerIndex(next, r.Container)
	if err != nil {
		return err
	}
	if image := next.Spec.Template.Spec.Containers[i].Image; image != r.Image {
		return fmt.Errorf("found existing in-progress update to image (%s): either continue in-progress update with --image=%s or rollback with --rollback", image, image)
	}
	plan.NewValue = next.Spec.Selector[r.Key]
	return nil
}

// resolveDeleted finds the controller that has taken over from one that is gone.
func resolveDeleted(ctx context.Context, client kubernetes.Interface, r Request, notFound error) (*Plan, error) {
	list, err := client.CoreV1().ReplicationControllers(r.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	name := r.New
	if r.Manifest != nil {
		name = r.Manifest.Name
	}
	for i := range list.Items {
		next := &list.Items[i]
		if sourceName(next) != r.Old || name != "" && next.Name != name {
			continue
		}
		plan := &Plan{From: r.Old, To: next.Name, Key: r.Key, Rename: r.renames()}
		return plan, r.resume(plan, next)
	}
	return nil, notFound
}

func resolveRollback(r Request, old *corev1.ReplicationController) (*Plan, error) {
	name := r.New
	if name == "" {
		name = old.Annotations[NextAnnotation]
	}
	if name == "" && isRenamed(old) {
		name = sourceName(old)
	}
	if name == "" || name == old.Name {
		return nil, fmt.Errorf("could not find an update of %s to rollback", r.Old)
	}
	return &Plan{From: name, To: r.Old, Rollback: true}, nil
}
