package registry_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/apiserver"
)

func TestEventsAreTheSameInBothGroups(t *testing.T) {
	_, c := start(t)
	older, newer := c.CoreV1().Events("default"), c.EventsV1().Events("default")
	at := metav1.NowMicro()
	about := corev1.ObjectReference{Kind: "Pod", Namespace: "default", Name: "web", UID: "u"}
	made, err := newer.Create(t.Context(), &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: "a"}, EventTime: at, Reason: "Scheduled", Type: corev1.EventTypeNormal,
		Action: "Binding", ReportingController: "default-scheduler", ReportingInstance: "host", Regarding: about, Note: "assigned",
	}, create)
	require.NoError(t, err)
	shown, err := older.Get(t.Context(), "a", get)
	require.NoError(t, err)
	require.Equal(t, made.UID, shown.UID)
	require.Equal(t, about, shown.InvolvedObject)
	require.Equal(t, "assigned", shown.Message)
	require.Equal(t, "default-scheduler", shown.ReportingController)

	first := metav1.NewTime(time.Now().Add(-time.Minute).Truncate(time.Second))
	_, err = older.Create(t.Context(), &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: "b"}, InvolvedObject: about, Reason: "Started", Type: corev1.EventTypeNormal,
		Message: "started", Source: corev1.EventSource{Component: "kubelet", Host: "n1"}, FirstTimestamp: first, LastTimestamp: first, Count: 1,
	}, create)
	require.NoError(t, err)
	other, err := newer.Get(t.Context(), "b", get)
	require.NoError(t, err)
	require.Equal(t, "started", other.Note)
	require.Equal(t, "kubelet", other.DeprecatedSource.Component)
	require.True(t, first.Equal(&other.DeprecatedFirstTimestamp))
	require.EqualValues(t, 1, other.DeprecatedCount)

	for selector, want := range map[string]int{
		"involvedObject.name=web": 2, "involvedObject.uid=u,reason=Started": 1, "source=kubelet": 1,
		"type=Warning": 0, "reportingComponent=default-scheduler": 1, "involvedObject.kind=Pod,involvedObject.namespace=default": 2,
	} {
		found, err := older.List(t.Context(), metav1.ListOptions{FieldSelector: selector})
		require.NoError(t, err, selector)
		require.Len(t, found.Items, want, selector)
	}
	found, err := newer.List(t.Context(), metav1.ListOptions{FieldSelector: "regarding.name=web,reportingController=default-scheduler"})
	require.NoError(t, err)
	require.Len(t, found.Items, 1)
	w, err := newer.Watch(t.Context(), metav1.ListOptions{ResourceVersion: found.ResourceVersion})
	require.NoError(t, err)
	defer w.Stop()
	require.NoError(t, older.DeleteCollection(t.Context(), remove, metav1.ListOptions{}))
	require.IsType(t, &eventsv1.Event{}, (<-w.ResultChan()).Object)
}

func TestNewEventsAreStrict(t *testing.T) {
	_, c := start(t)
	_, err := c.EventsV1().Events("default").Create(t.Context(), &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: "a"}, DeprecatedCount: 3, Type: "Odd", Regarding: corev1.ObjectReference{Namespace: "default"},
	}, create)
	require.True(t, apierrors.IsInvalid(err), "%v", err)
	require.ErrorContains(t, err, "eventTime: Required value")
	require.ErrorContains(t, err, "type: Invalid value: \"\": has invalid value: Odd")
	require.ErrorContains(t, err, "count: Invalid value: \"\": needs to be unset")
	_, err = c.CoreV1().Events("default").Create(t.Context(), &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: "a"}, InvolvedObject: corev1.ObjectReference{Namespace: "elsewhere"},
	}, create)
	require.ErrorContains(t, err, `involvedObject.namespace: Invalid value: "elsewhere": does not match event.namespace`)
}

func TestEventsExpire(t *testing.T) {
	_, c := start(t, func(o *apiserver.Options) { o.EventLife = 2 * time.Second })
	events := c.CoreV1().Events("default")
	_, err := events.Create(t.Context(), &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: "a"}, InvolvedObject: corev1.ObjectReference{Namespace: "default"},
	}, create)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := events.Get(t.Context(), "a", get)
		return apierrors.IsNotFound(err)
	}, 30*time.Second, 50*time.Millisecond)
}
