package rollingupdate

import (
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// surge is how many pods there may be above the desired number. No pod that
// serves is taken away before another is available in its place.
const surge = 1

// distinguish sees to it that the old controller says who takes over, how many
// replicas it had, and selects by the label that tells its pods from the new
// ones. Its template goes first, so that pods it makes meanwhile have the label;
// then its pods; then its selector.
func (p *Plan) distinguish(s State) (Step, bool) {
	if from, changed := p.marked(s); changed {
		return Step{Verb: Update, Object: from, Say: fmt.Sprintf("Marking %s as replaced by %s", p.From, p.To)}, true
	}
	if p.Key == "" {
		return Step{}, false
	}
	value := s.From.Spec.Template.Labels[p.Key]
	for i := range s.FromPods {
		pod := &s.FromPods[i]
		if got, has := pod.Labels[p.Key]; pod.DeletionTimestamp == nil && (!has || got != value && metav1.IsControlledBy(pod, s.From)) {
			return Step{Verb: Label, Pod: pod, Labels: map[string]string{p.Key: value}, Say: fmt.Sprintf("Labelling %s %s=%s", pod.Name, p.Key, value)}, true
		}
	}
	if s.From.Spec.Selector[p.Key] == value {
		return Step{}, false
	}
	if !isObserved(s.From) { // a pod without the label may be on its way
		return waitFor("the controllers to look at %s", p.From), true
	}
	from := s.From.DeepCopy()
	from.Spec.Selector[p.Key] = value
	return Step{Verb: Update, Object: from, Say: fmt.Sprintf("Selecting the pods of %s by %s=%s", p.From, p.Key, value)}, true
}

// marked is the old controller as it is while it is replaced.
func (p *Plan) marked(s State) (marked *corev1.ReplicationController, changed bool) {
	marked = s.From.DeepCopy()
	if marked.Annotations[NextAnnotation] != p.To {
		annotate(marked, NextAnnotation, p.To)
		changed = true
	}
	if n, err := count(marked, OriginalAnnotation); err != nil || s.To == nil && n != replicas(s.From) {
		annotate(marked, OriginalAnnotation, strconv.Itoa(replicas(s.From)))
		changed = true
	}
	if _, labelled := marked.Spec.Template.Labels[p.Key]; p.Key != "" && !labelled {
		marked.Spec.Template.Labels[p.Key] = p.OldValue // a selector asks for labels: there are some
		changed = true
	}
	return marked, changed
}

// creatable refuses an update whose new controller is not there and cannot be
// made.
func (p *Plan) creatable(s State) error {
	switch {
	case s.To != nil:
		return nil
	case p.Target == nil:
		return fmt.Errorf("replication controller %s is gone: nothing takes over from %s", p.To, p.From)
	case replicas(p.Target) < 1:
		return fmt.Errorf("invalid controller spec for %s; required: > 0 replicas, actual: %d", p.To, replicas(p.Target))
	}
	return nil
}

func (p *Plan) createTarget(s State) Step {
	target := p.Target.DeepCopy()
	target.Name, target.Namespace = p.To, s.From.Namespace
	annotate(target, DesiredAnnotation, strconv.Itoa(replicas(p.Target)))
	annotate(target, SourceAnnotation, sourceID(s.From))
	setReplicas(target, 0)
	return Step{Verb: Create, Object: target, Say: "Created " + p.To}
}

// shift moves one pod further. Only what the new controller has available
// counts, and all that the old one is asked for: its own troubles must not keep
// it from being replaced.
func (p *Plan) shift(s State) (Step, error) {
	want, err := desired(s.To)
	if err != nil {
		return Step{}, err
	}
	from, to := replicas(s.From), replicas(s.To)
	switch {
	case to > want || to < want && (from == 0 || from+to < want+surge):
		return p.scaleUp(s, want), nil
	case from > 0 && from+s.ToReady > want:
		return p.scaleDown(s, from-1), nil
	case from > 0 || s.ToReady < want:
		return waitFor("%s to have %d pods available, %d are", p.To, min(to, want), s.ToReady), nil
	case !isShrunk(s.From):
		return waitFor("the last pod of %s to end", p.From), nil
	}
	return Step{Verb: Delete, Object: s.From, Say: "Update succeeded. Deleting " + p.From}, nil
}

// scaleUp starts one pod, or all that are missing when no old one is left. What
// was asked for before must be done.
func (p *Plan) scaleUp(s State, want int) Step {
	if !isShrunk(s.From) || !isObserved(s.To) || int(s.To.Status.Replicas) != replicas(s.To) {
		return waitFor("%s to have %d pods and %s %d", p.From, replicas(s.From), p.To, replicas(s.To))
	}
	n := replicas(s.To) + 1
	if n > want || replicas(s.From) == 0 {
		n = want
	}
	scaled := s.To.DeepCopy()
	setReplicas(scaled, n)
	return Step{Verb: Update, Object: scaled, Starts: true, Say: fmt.Sprintf("Scaling %s up to %d", p.To, n)}
}

func (p *Plan) scaleDown(s State, n int) Step {
	scaled := s.From.DeepCopy()
	setReplicas(scaled, n)
	return Step{Verb: Update, Object: scaled, Paused: true, Say: fmt.Sprintf("Scaling %s down to %d", p.From, n)}
}

// isObserved tells whether the controllers have looked at the newest spec.
func isObserved(rc *corev1.ReplicationController) bool {
	return rc.Status.ObservedGeneration >= rc.Generation
}

// isShrunk tells whether no pod is left to be deleted. One that cannot get all
// its pods is shrunk: it must not keep others from taking over.
func isShrunk(rc *corev1.ReplicationController) bool {
	return isObserved(rc) && int(rc.Status.Replicas) <= replicas(rc)
}
