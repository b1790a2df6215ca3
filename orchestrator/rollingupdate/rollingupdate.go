// Package rollingupdate replaces the pods of one ReplicationController by those
// of another, one pod at a time, from the client: what `kubectl rolling-update`
// did until Kubernetes 1.17, with its annotations.
//
// A Plan looks at what the API has and names the one write that comes next. It
// remembers nothing, so that an update whose client died at any moment goes on
// where it was when it is asked for again, and can be turned around at any
// moment before the old controller is deleted.
package rollingupdate

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The annotations are those of the old kubectl.
const (
	// SourceAnnotation is on the controller that pods move to: NAME:UID of the
	// one they come from.
	SourceAnnotation = "kubectl.kubernetes.io/update-source-id"
	// DesiredAnnotation is beside it: how many replicas there will be.
	DesiredAnnotation = "kubectl.kubernetes.io/desired-replicas"
	// OriginalAnnotation is on the old controller: how many replicas it had.
	OriginalAnnotation = "kubectl.kubernetes.io/original-replicas"
	// NextAnnotation is beside it: the name of the controller that takes over.
	NextAnnotation = "kubectl.kubernetes.io/next-controller-id"
)

// renamedSuffix marks the label's value of a controller that waits under its
// final name until the pods of the other are orphans.
const renamedSuffix = "-renamed"

// Verb is what a Step does.
type Verb int

// Wait is for the cluster to get on; Done is that nothing is left to do; all
// others are one write each.
const (
	Wait Verb = iota
	Create
	Update
	Delete
	// Orphan deletes the controller and leaves its pods.
	Orphan
	// Label gives the pod the labels of Step.Labels.
	Label
	Done
)

// Step is what comes next.
type Step struct {
	Verb Verb
	// Object is the controller as it is to be created, updated or deleted.
	Object *corev1.ReplicationController
	Pod    *corev1.Pod
	Labels map[string]string
	// Say tells a person what is done or waited for.
	Say string
	// Paused is true for what must not come sooner than one update period after
	// a pod was started.
	Paused bool
	// Starts is true for what starts a pod.
	Starts bool
	// Last is true for the write that ends the update.
	Last bool
}

// Plan is an update as it was asked for. Pods move from the controller From to
// the controller To.
type Plan struct {
	From, To string
	// Target is To as it is created where there is none, with its final number
	// of replicas; nil where it must exist.
	Target *corev1.ReplicationController
	// Key and OldValue are the label that tells the pods of From from those of
	// To; OldValue is what those of From get. Both are empty where the selectors
	// differ already.
	Key, OldValue string
	// Rename gives To the name of From at the end.
	Rename bool
	// NewValue is the label's value at To; with Rename only.
	NewValue string
	// Rollback is true when From is the controller that had taken over.
	Rollback bool
}

// State is what the API has. The objects are not changed.
type State struct {
	From, To *corev1.ReplicationController // nil where there is none
	// FromPods are those that From selects or would select without Plan.Key, and
	// that are its own or nobody's. ToPods are the same of To.
	FromPods, ToPods []corev1.Pod
	// ToReady is how many of ToPods are available by To's minReadySeconds,
	// FromReady the same of From.
	FromReady, ToReady int
}

// Next returns what comes next, or an error when the controllers are not those
// of this update.
func (p *Plan) Next(s State) (Step, error) {
	switch {
	case p.Rollback:
		return p.nextBack(s)
	case s.From == nil:
		return p.afterDelete(s)
	case p.Rename && isRenamed(s.From):
		return p.rename(s)
	case p.Rename && p.NewValue != "" && s.From.Spec.Selector[p.Key] == p.NewValue:
		return Step{Verb: Done}, nil
	case s.From.DeletionTimestamp != nil:
		return waitFor("%s to be deleted", p.From), nil
	}
	if err := p.creatable(s); err != nil {
		return Step{}, err
	}
	if step, ok := p.distinguish(s); ok {
		return step, nil
	}
	if s.To == nil {
		return p.createTarget(s), nil
	}
	if err := belongs(s.To, s.From); err != nil {
		return Step{}, err
	}
	return p.shift(s)
}

func waitFor(format string, args ...any) Step {
	return Step{Verb: Wait, Say: "waiting for " + fmt.Sprintf(format, args...)}
}

// belongs refuses a controller that is not the target of an update from that one.
func belongs(to, from *corev1.ReplicationController) error {
	if to.DeletionTimestamp != nil {
		return fmt.Errorf("replication controller %s is being deleted", to.Name)
	}
	want := sourceID(from)
	if got := to.Annotations[SourceAnnotation]; got != want {
		return fmt.Errorf("missing/unexpected annotations for controller %s, expected %s=%s: it has %q", to.Name, SourceAnnotation, want, got)
	}
	_, err := desired(to)
	return err
}

func sourceID(rc *corev1.ReplicationController) string { return rc.Name + ":" + string(rc.UID) }

// sourceName is the name in a SourceAnnotation; empty without one.
func sourceName(rc *corev1.ReplicationController) string {
	name, _, _ := strings.Cut(rc.Annotations[SourceAnnotation], ":")
	return name
}

// desired reads the DesiredAnnotation.
func desired(rc *corev1.ReplicationController) (int, error) { return count(rc, DesiredAnnotation) }

func count(rc *corev1.ReplicationController, annotation string) (int, error) {
	n, err := strconv.Atoi(rc.Annotations[annotation])
	if err != nil || n < 0 {
		return 0, fmt.Errorf("unable to parse annotation for %s: %s=%s", rc.Name, annotation, rc.Annotations[annotation])
	}
	return n, nil
}

// replicas is what a controller is asked for.
func replicas(rc *corev1.ReplicationController) int {
	if rc.Spec.Replicas == nil {
		return 1
	}
	return int(*rc.Spec.Replicas)
}

func setReplicas(rc *corev1.ReplicationController, n int) {
	value := int32(n)
	rc.Spec.Replicas = &value
}

func annotate(rc *corev1.ReplicationController, key, value string) {
	metav1.SetMetaDataAnnotation(&rc.ObjectMeta, key, value)
}

func unannotate(rc *corev1.ReplicationController) {
	for _, key := range []string{SourceAnnotation, DesiredAnnotation, OriginalAnnotation, NextAnnotation} {
		delete(rc.Annotations, key)
	}
}

func isAnnotated(rc *corev1.ReplicationController) bool {
	for _, key := range []string{SourceAnnotation, DesiredAnnotation, OriginalAnnotation, NextAnnotation} {
		if _, ok := rc.Annotations[key]; ok {
			return true
		}
	}
	return false
}
