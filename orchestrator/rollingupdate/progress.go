package rollingupdate

import (
	"fmt"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// progress tells a person how far an update is.
type progress struct {
	out  io.Writer
	plan *Plan
	// last is the newest line about the counts, said is what was announced.
	last, said string
	begun      bool
}

// say announces a step, once however often it is tried.
func (p *progress) say(step Step) {
	if step.Say == "" || step.Say == p.said {
		return
	}
	p.said = step.Say
	fmt.Fprintln(p.out, step.Say)
}

// show prints the counts when they have changed, and tells whether they have.
func (p *progress) show(s State) bool {
	if s.To == nil || s.From == nil || isRenamed(s.From) {
		return false
	}
	want, err := desired(s.To)
	if err != nil || s.To.Annotations[SourceAnnotation] != sourceID(s.From) {
		return false
	}
	p.begin(s, want)
	line := fmt.Sprintf("  %3d%%  %s: %d of %d ready; %s: %d left, %d ready", percent(s, want), p.plan.To, s.ToReady, want, p.plan.From, replicas(s.From), s.FromReady)
	if line == p.last {
		return false
	}
	p.last = line
	fmt.Fprintln(p.out, line)
	return true
}

// begin says once what is going to be done.
func (p *progress) begin(s State, want int) {
	if p.begun {
		return
	}
	p.begun = true
	if p.said == "" {
		fmt.Fprintf(p.out, "Continuing update with existing controller %s.\n", p.plan.To)
	}
	fmt.Fprintf(p.out, "Scaling up %s from %d to %d, scaling down %s from %d to 0 (keep %d pods available, don't exceed %d pods)\n",
		p.plan.To, replicas(s.To), want, p.plan.From, replicas(s.From), want, want+surge)
}

// percent counts a pod that is ready and one that is gone as half a pod each.
func percent(s State, want int) int {
	original, err := count(s.From, OriginalAnnotation)
	if err != nil {
		original = max(want, replicas(s.From))
	}
	all := want + original
	if all == 0 {
		return 100
	}
	done := min(s.ToReady, want) + max(original-replicas(s.From), 0)
	return done * 100 / all
}

// troubles says why pods of the new controller are not available.
func troubles(s State) string {
	if s.To == nil {
		return ""
	}
	var all []string
	for _, c := range s.To.Status.Conditions {
		if c.Type == corev1.ReplicationControllerReplicaFailure && c.Status == corev1.ConditionTrue {
			all = append(all, c.Message)
		}
	}
	for i := range s.ToPods {
		if reason := trouble(&s.ToPods[i]); reason != "" {
			all = append(all, s.ToPods[i].Name+": "+reason)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return " (" + strings.Join(all, "; ") + ")"
}

// trouble is what a pod says of itself when it is not ready.
func trouble(pod *corev1.Pod) string {
	for _, status := range pod.Status.ContainerStatuses {
		if w := status.State.Waiting; w != nil {
			return strings.TrimSuffix(w.Reason+": "+w.Message, ": ")
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Status == corev1.ConditionFalse && c.Message != "" {
			return c.Message
		}
	}
	return ""
}
