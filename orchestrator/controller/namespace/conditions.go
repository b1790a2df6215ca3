package namespace

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
)

// conditions tells a pass in the five conditions of a namespace that is being
// deleted, all of which are always there. True is bad.
func (f *content) conditions() []corev1.NamespaceCondition {
	return []corev1.NamespaceCondition{
		f.discoveryCondition(),
		condition(corev1.NamespaceDeletionGVParsingFailure, "ParsedGroupVersions", "All legacy kube types successfully parsed").
			unless(f.parsing == nil, "GroupVersionParsingFailed", func() string { return f.parsing.Error() }),
		condition(corev1.NamespaceDeletionContentFailure, "ContentDeleted", "All content successfully deleted, may be waiting on finalization").
			unless(len(f.failures) == 0, "ContentDeletionFailed", f.failuresText),
		condition(corev1.NamespaceContentRemaining, "ContentRemoved", "All content successfully removed").
			unless(len(f.remaining) == 0, "SomeResourcesRemain", func() string { return "Some resources are remaining: " + f.remainingText() }),
		condition(corev1.NamespaceFinalizersRemaining, "ContentHasNoFinalizers", "All content-preserving finalizers finished").
			unless(len(f.finalizers) == 0, "SomeFinalizersRemain", func() string {
				return "Some content in the namespace has finalizers remaining: " + f.finalizersText()
			}),
	}
}

func (f *content) discoveryCondition() corev1.NamespaceCondition {
	return condition(corev1.NamespaceDeletionDiscoveryFailure, "ResourcesDiscovered", "All resources successfully discovered").
		unless(f.discovery == nil, "DiscoveryFailed", func() string {
			var groups *discovery.ErrGroupDiscoveryFailed
			if errors.As(f.discovery, &groups) {
				return fmt.Sprintf("Discovery failed for some groups, %d failing: %v", len(groups.Groups), f.discovery)
			}
			return f.discovery.Error()
		})
}

func (f *content) failuresText() string {
	var texts []string
	for _, err := range f.failures {
		texts = append(texts, err.Error())
	}
	slices.Sort(texts)
	return fmt.Sprintf("Failed to delete all resource types, %d remaining: %s", len(texts), strings.Join(texts, ", "))
}

// good is a condition as it is when nothing is wrong.
type good corev1.NamespaceCondition

func condition(t corev1.NamespaceConditionType, reason, message string) good {
	return good{Type: t, Status: corev1.ConditionFalse, Reason: reason, Message: message}
}

func (g good) unless(ok bool, reason string, message func() string) corev1.NamespaceCondition {
	c := corev1.NamespaceCondition(g)
	if !ok {
		c.Status, c.Reason, c.Message = corev1.ConditionTrue, reason, message()
	}
	return c
}

// setConditions merges the wanted conditions into a status and reports whether
// anything has changed.
func setConditions(status *corev1.NamespaceStatus, wanted []corev1.NamespaceCondition, now metav1.Time) bool {
	changed := false
	for _, w := range wanted {
		w.LastTransitionTime = now
		i := slices.IndexFunc(status.Conditions, func(c corev1.NamespaceCondition) bool { return c.Type == w.Type })
		if i < 0 {
			status.Conditions = append(status.Conditions, w)
			changed = true
			continue
		}
		old := &status.Conditions[i]
		if old.Status == w.Status {
			w.LastTransitionTime = old.LastTransitionTime
		}
		if old.Status != w.Status || old.Reason != w.Reason || old.Message != w.Message {
			*old = w
			changed = true
		}
	}
	return changed
}
