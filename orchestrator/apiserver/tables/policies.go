package tables

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func (t *Tables) addPolicies(now func() time.Time) {
	add(t, now, "", "resourcequotas", []metav1.TableColumnDefinition{
		nameColumn(),
		text("Request", "Request represents a minimum amount of cpu/memory that a container may consume."),
		text("Limit", "Limits control the maximum amount of cpu/memory that a container may use independent of contention on the node."),
		ageColumn(),
	}, quotaRow)
	add(t, now, "policy", "poddisruptionbudgets", []metav1.TableColumnDefinition{
		nameColumn(),
		text("Min Available", "The minimum number of pods that must be available."),
		text("Max Unavailable", "The maximum number of pods that may be unavailable."),
		number("Allowed Disruptions", "Calculated number of pods that may be disrupted at this time."),
		ageColumn(),
	}, func(b *policyv1.PodDisruptionBudget, now time.Time) row {
		return cells(b.Name, orNotSet(b.Spec.MinAvailable), orNotSet(b.Spec.MaxUnavailable),
			int64(b.Status.DisruptionsAllowed), since(b.CreationTimestamp, now))
	})
}

func orNotSet(v *intstr.IntOrString) string {
	if v == nil {
		return "N/A"
	}
	return v.String()
}

// quotaRow lists used/hard of each resource; limits have a column of their own.
func quotaRow(q *corev1.ResourceQuota, now time.Time) row {
	var requests, limits []string
	for _, name := range slices.Sorted(maps.Keys(q.Status.Hard)) {
		used, hard := q.Status.Used[name], q.Status.Hard[name]
		entry := fmt.Sprintf("%s: %s/%s", name, used.String(), hard.String())
		if strings.HasPrefix(string(name), "limits.") {
			limits = append(limits, entry)
		} else {
			requests = append(requests, entry)
		}
	}
	return cells(q.Name, strings.Join(requests, ", "), strings.Join(limits, ", "), since(q.CreationTimestamp, now))
}
