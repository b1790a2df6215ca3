package garbagecollector

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/ptr"

	"github.com/lubberline/lubberline/orchestrator/controller/controllertest"
)

type live struct {
	*controllertest.Cluster
	t      *testing.T
	events *record.FakeRecorder
}

func TestGarbageOnTheAPIServer(t *testing.T) {
	c := controllertest.Start(t)
	l := &live{Cluster: c, t: t, events: record.NewFakeRecorder(100)}
	controller, err := New(Options{Metadata: c.Metadata, Objects: c.Objects, Events: l.events, Logger: c.Logger})
	require.NoError(t, err)
	c.Run(t, controller)
	c.Account(t, metav1.NamespaceDefault)
	for name, test := range map[string]func(*live){
		"background": background, "foreground": foreground, "orphan": orphan, "two owners": twoOwners, "circle": circle,
		"other namespace": otherNamespace, "absent owner": absentOwner,
	} {
		t.Run(name, func(t *testing.T) {
			one := *l
			one.t = t
			test(&one)
		})
	}
}

func (l *live) controller(name string) *corev1.ReplicationController {
	l.t.Helper()
	labels := map[string]string{"of": name}
	rc := &corev1.ReplicationController{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ReplicationControllerSpec{
		Replicas: ptr.To[int32](0), Selector: labels, Template: &corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "example.com/image"}}},
		},
	}}
	rc, err := l.Client.CoreV1().ReplicationControllers(metav1.NamespaceDefault).Create(l.t.Context(), rc, metav1.CreateOptions{})
	require.NoError(l.t, err)
	return rc
}

func ownedBy(rcs ...*corev1.ReplicationController) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		for _, rc := range rcs {
			p.OwnerReferences = append(p.OwnerReferences, metav1.OwnerReference{
				APIVersion: "v1", Kind: "ReplicationController", Name: rc.Name, UID: rc.UID, BlockOwnerDeletion: ptr.To(true),
			})
		}
	}
}

func (l *live) pods(prefix string, n int, change func(*corev1.Pod)) {
	for i := range n {
		l.Pod(l.t, metav1.NamespaceDefault, fmt.Sprintf("%s-%d", prefix, i), change)
	}
}

func (l *live) pod(name string) (*corev1.Pod, error) {
	return l.Client.CoreV1().Pods(metav1.NamespaceDefault).Get(l.t.Context(), name, metav1.GetOptions{})
}

func (l *live) podGone(name string) func() bool {
	return func() bool {
		_, err := l.pod(name)
		return apierrors.IsNotFound(err)
	}
}

func (l *live) rc(name string) (*corev1.ReplicationController, error) {
	return l.Client.CoreV1().ReplicationControllers(metav1.NamespaceDefault).Get(l.t.Context(), name, metav1.GetOptions{})
}

func (l *live) rcGone(name string) func() bool {
	return func() bool {
		_, err := l.rc(name)
		return apierrors.IsNotFound(err)
	}
}

func (l *live) deleteRC(rc *corev1.ReplicationController, policy metav1.DeletionPropagation) {
	l.t.Helper()
	require.NoError(l.t, l.Client.CoreV1().ReplicationControllers(metav1.NamespaceDefault).Delete(l.t.Context(), rc.Name,
		metav1.DeleteOptions{PropagationPolicy: &policy, Preconditions: metav1.NewUIDPreconditions(string(rc.UID))}))
}

func (l *live) eventually(f func() bool, what ...any) {
	l.t.Helper()
	require.Eventually(l.t, f, controllertest.Wait, controllertest.Tick, what...)
}

func background(l *live) {
	rc := l.controller("background")
	l.pods("background", 20, ownedBy(rc))
	l.deleteRC(rc, metav1.DeletePropagationBackground)
	for i := range 20 {
		l.eventually(l.podGone(fmt.Sprintf("background-%d", i)))
	}
}

func foreground(l *live) {
	rc := l.controller("foreground")
	l.pods("foreground", 3, func(p *corev1.Pod) {
		ownedBy(rc)(p)
		p.Finalizers = []string{"example.com/held"}
	})
	l.deleteRC(rc, metav1.DeletePropagationForeground)
	for i := range 3 {
		name := fmt.Sprintf("foreground-%d", i)
		l.eventually(func() bool {
			p, err := l.pod(name)
			return err == nil && p.DeletionTimestamp != nil
		})
		stored, err := l.rc("foreground")
		require.NoError(l.t, err)
		require.Equal(l.t, []string{metav1.FinalizerDeleteDependents}, stored.Finalizers)
		p, err := l.pod(name)
		require.NoError(l.t, err)
		p.Finalizers = nil
		_, err = l.Client.CoreV1().Pods(metav1.NamespaceDefault).Update(l.t.Context(), p, metav1.UpdateOptions{})
		require.NoError(l.t, err)
	}
	l.eventually(l.rcGone("foreground"))
}

func orphan(l *live) {
	rc := l.controller("orphan")
	l.pods("orphan", 5, ownedBy(rc))
	l.deleteRC(rc, metav1.DeletePropagationOrphan)
	l.eventually(l.rcGone("orphan"))
	for i := range 5 {
		p, err := l.pod(fmt.Sprintf("orphan-%d", i))
		require.NoError(l.t, err)
		require.Empty(l.t, p.OwnerReferences)
	}
}

func twoOwners(l *live) {
	goes, stays := l.controller("goes"), l.controller("stays")
	l.pods("one", 3, ownedBy(goes))
	l.pods("both", 3, ownedBy(goes, stays))
	l.deleteRC(goes, metav1.DeletePropagationForeground)
	l.eventually(l.rcGone("goes"))
	for i := range 3 {
		l.eventually(l.podGone(fmt.Sprintf("one-%d", i)))
		p, err := l.pod(fmt.Sprintf("both-%d", i))
		require.NoError(l.t, err)
		require.Nil(l.t, p.DeletionTimestamp)
		require.Len(l.t, p.OwnerReferences, 1)
		require.Equal(l.t, stays.UID, p.OwnerReferences[0].UID)
	}
}

func (l *live) own(pod, owner string) {
	o, err := l.pod(owner)
	require.NoError(l.t, err)
	body := fmt.Sprintf(`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":%q,"uid":%q,"controller":true,"blockOwnerDeletion":true}]}}`, owner, o.UID)
	_, err = l.Client.CoreV1().Pods(metav1.NamespaceDefault).Patch(l.t.Context(), pod, "application/strategic-merge-patch+json", []byte(body), metav1.PatchOptions{})
	require.NoError(l.t, err)
}

func circle(l *live) {
	for _, name := range []string{"c1", "c2", "c3"} {
		l.Pod(l.t, metav1.NamespaceDefault, name)
	}
	l.own("c1", "c3")
	l.own("c2", "c1")
	l.own("c3", "c2")
	require.NoError(l.t, l.Client.CoreV1().Pods(metav1.NamespaceDefault).Delete(l.t.Context(), "c1",
		metav1.DeleteOptions{PropagationPolicy: ptr.To(metav1.DeletePropagationForeground)}))
	for _, name := range []string{"c1", "c2", "c3"} {
		l.eventually(l.podGone(name))
	}
}

func otherNamespace(l *live) {
	l.Namespace(l.t, "other")
	l.Account(l.t, "other")
	rc := l.controller("near")
	l.Pod(l.t, "other", "stray", ownedBy(rc))
	l.eventually(func() bool {
		_, err := l.Client.CoreV1().Pods("other").Get(l.t.Context(), "stray", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	}, "an owner in another namespace is none")
	want := fmt.Sprintf(`Warning OwnerRefInvalidNamespace ownerRef [v1/ReplicationController, namespace: other, name: near, uid: %s] does not exist in namespace "other"`, rc.UID)
	require.Equal(l.t, want, <-l.events.Events)
	_, err := l.rc("near")
	require.NoError(l.t, err)
}

func absentOwner(l *live) {
	never := &corev1.ReplicationController{ObjectMeta: metav1.ObjectMeta{Name: "never", UID: "nothing-has-this"}}
	l.pods("absent", 3, ownedBy(never))
	for i := range 3 {
		l.eventually(l.podGone(fmt.Sprintf("absent-%d", i)))
	}
}
