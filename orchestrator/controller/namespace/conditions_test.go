package namespace

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

func metaIn(namespace string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: namespace} }

func TestConditionsInKubernetesWords(t *testing.T) {
	f := func(found content, wanted ...string) {
		t.Helper()
		var is []string
		for _, c := range found.conditions() {
			if c.Status == corev1.ConditionTrue {
				is = append(is, string(c.Type)+" "+c.Reason+": "+c.Message)
			}
		}
		require.Equal(t, wanted, is)
		require.Len(t, found.conditions(), 5)
	}
	f(content{})
	group := &discovery.ErrGroupDiscoveryFailed{Groups: map[schema.GroupVersion]error{{Group: "metrics.k8s.io", Version: "v1beta1"}: errors.New("away")}}
	f(content{discovery: group}, "NamespaceDeletionDiscoveryFailure DiscoveryFailed: Discovery failed for some groups, 1 failing: "+
		"unable to retrieve the complete list of server APIs: metrics.k8s.io/v1beta1: away")
	f(content{discovery: errors.New("refused")}, "NamespaceDeletionDiscoveryFailure DiscoveryFailed: refused")
	f(content{parsing: errors.New("bad version")}, "NamespaceDeletionGroupVersionParsingFailure GroupVersionParsingFailed: bad version")
	f(content{failures: []error{errors.New("b"), errors.New("a")}},
		"NamespaceDeletionContentFailure ContentDeletionFailed: Failed to delete all resource types, 2 remaining: a, b")
	f(content{remaining: map[schema.GroupResource]int{{Resource: "pods"}: 2, {Group: "apps", Resource: "replicasets"}: 1}, finalizers: map[string]int{"x": 1, "a": 2}},
		"NamespaceContentRemaining SomeResourcesRemain: Some resources are remaining: pods. has 2 resource instances, replicasets.apps has 1 resource instances",
		"NamespaceFinalizersRemaining SomeFinalizersRemain: Some content in the namespace has finalizers remaining: a in 2 resource instances, x in 1 resource instances")
}

func TestConditionsChangeOnlyWhenTheyDiffer(t *testing.T) {
	var status corev1.NamespaceStatus
	first, second := metav1.NewTime(time.Unix(1, 0)), metav1.NewTime(time.Unix(2, 0))
	require.True(t, setConditions(&status, (&content{}).conditions(), first))
	require.False(t, setConditions(&status, (&content{}).conditions(), second))
	failed := &content{failures: []error{errors.New("a")}}
	require.True(t, setConditions(&status, failed.conditions(), second))
	require.Len(t, status.Conditions, 5)
	for _, c := range status.Conditions {
		wanted := first
		if c.Type == corev1.NamespaceDeletionContentFailure {
			wanted = second
		}
		require.Equal(t, wanted, c.LastTransitionTime, c.Type)
	}
}
