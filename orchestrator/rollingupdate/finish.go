package rollingupdate

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// afterDelete ends an update whose old controller is gone.
func (p *Plan) afterDelete(s State) (Step, error) {
	if s.To == nil {
		return Step{}, fmt.Errorf("neither replication controller %s nor %s is there", p.From, p.To)
	}
	switch name := sourceName(s.To); {
	case name == "" && !p.Rename:
		return Step{Verb: Done}, nil
	case name != p.From:
		return Step{}, fmt.Errorf("replication controller %s does not take over from %s: it has %s=%q", p.To, p.From, SourceAnnotation, s.To.Annotations[SourceAnnotation])
	case p.Rename:
		return p.createRenamed(s.To)
	}
	return clean(s.To), nil
}

// clean takes the annotations away, which ends an update.
func clean(rc *corev1.ReplicationController) Step {
	cleaned := rc.DeepCopy()
	unannotate(cleaned)
	return Step{Verb: Update, Object: cleaned, Last: true}
}

// A controller cannot be renamed, and pods that are nobody's are lost when the
// client dies. So a controller of the final name is made that selects nothing
// yet and keeps the template and the number of replicas; then the other is
// deleted and its pods become orphans; then one write lets the first select
// them. They are adopted; none is started or ended.
func (p *Plan) createRenamed(to *corev1.ReplicationController) (Step, error) {
	value, ok := to.Spec.Selector[p.Key]
	if !ok {
		return Step{}, fmt.Errorf("replication controller %s does not select by label %s: give the --deployment-label-key that the update was begun with", to.Name, p.Key)
	}
	want, err := desired(to)
	if err != nil {
		return Step{}, err
	}
	renamed := to.DeepCopy()
	renamed.ObjectMeta = metav1.ObjectMeta{Name: p.From, Namespace: to.Namespace, Labels: to.Labels, Annotations: renamed.Annotations}
	renamed.Status = corev1.ReplicationControllerStatus{}
	unannotate(renamed)
	annotate(renamed, SourceAnnotation, sourceID(to))
	annotate(renamed, DesiredAnnotation, strconv.Itoa(want))
	setReplicas(renamed, 0)
	relabel(renamed, p.Key, value+renamedSuffix)
	return Step{Verb: Create, Object: renamed, Say: fmt.Sprintf("Renaming %s to %s", to.Name, p.From)}, nil
}

func relabel(rc *corev1.ReplicationController, key, value string) {
	rc.Spec.Selector[key] = value
	rc.Spec.Template.Labels[key] = value
}

// isRenamed tells a controller that waits under its final name from one that an
// update was turned back to: the latter names the one that had taken over.
func isRenamed(rc *corev1.ReplicationController) bool {
	_, replaced := rc.Annotations[NextAnnotation]
	return sourceName(rc) != "" && !replaced
}

// rename goes on when From is the controller of the final name.
func (p *Plan) rename(s State) (Step, error) {
	switch {
	case s.To != nil && sourceID(s.To) == s.From.Annotations[SourceAnnotation] && s.To.DeletionTimestamp == nil:
		return Step{Verb: Orphan, Object: s.To}, nil
	case s.To != nil && s.To.DeletionTimestamp != nil:
		return waitFor("%s to leave its pods to %s", p.To, p.From), nil
	}
	want, err := desired(s.From)
	if err != nil {
		return Step{}, err
	}
	final := s.From.DeepCopy()
	unannotate(final)
	relabel(final, p.Key, strings.TrimSuffix(s.From.Spec.Selector[p.Key], renamedSuffix))
	setReplicas(final, want)
	return Step{Verb: Update, Object: final, Last: true}, nil
}

// nextBack is Next of a rollback: To is the original controller.
func (p *Plan) nextBack(s State) (Step, error) {
	switch {
	case s.To == nil:
		return Step{}, fmt.Errorf("replication controller %s is gone: the update to %s cannot be rolled back, only finished", p.To, p.From)
	case isRenamed(s.To):
		return Step{}, fmt.Errorf("replication controller %s has taken the place of %s already: the update cannot be rolled back, only finished", sourceName(s.To), p.To)
	case s.From == nil && isAnnotated(s.To):
		return clean(s.To), nil
	case s.From == nil:
		return Step{Verb: Done}, nil
	case s.From.DeletionTimestamp != nil:
		return waitFor("%s to be deleted", p.From), nil
	}
	if s.To.Annotations[SourceAnnotation] != sourceID(s.From) {
		return p.turnAround(s)
	}
	return p.shift(s)
}

// turnAround makes the original controller the one that pods move to.
func (p *Plan) turnAround(s State) (Step, error) {
	if err := belongs(s.From, s.To); err != nil {
		return Step{}, err
	}
	original, err := count(s.To, OriginalAnnotation)
	if err != nil {
		return Step{}, fmt.Errorf("couldn't find original replica count of %q: %w", p.To, err)
	}
	back := s.To.DeepCopy()
	annotate(back, SourceAnnotation, sourceID(s.From))
	annotate(back, DesiredAnnotation, strconv.Itoa(original))
	annotate(back, NextAnnotation, p.From)
	return Step{Verb: Update, Object: back, Say: fmt.Sprintf("Setting %q replicas to %d", p.To, original)}, nil
}
