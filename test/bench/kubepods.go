package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/lubberline/lubberline/orchestrator/runtime"
)

// podRuns is how often one pod is started, podsTo how many a controller gets.
const (
	podRuns = 20
	podsTo  = 30
)

func controller(name string, replicas int32) *v1.ReplicationController {
	now := int64(0)
	labels := map[string]string{"app": name}
	return &v1.ReplicationController{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1.ReplicationControllerSpec{
			Replicas: &replicas, Selector: labels,
			Template: &v1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: v1.PodSpec{
					TerminationGracePeriodSeconds: &now,
					Containers:                    []v1.Container{{Name: "c", Image: runtime.SandboxImage}},
				},
			},
		},
	}
}

// isReady: it runs, and says that it is ready.
func isReady(pod *v1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == v1.PodReady {
			return c.Status == v1.ConditionTrue && pod.Status.Phase == v1.PodRunning
		}
	}
	return false
}

// awaitPods watches the selected pods until n of them are as wanted, and no
// other pod is left.
func (k *kube) awaitPods(ctx context.Context, selector string, n int, wanted func(*v1.Pod) bool) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	pods := k.client.CoreV1().Pods(v1.NamespaceDefault)
	for {
		list, err := pods.List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return err
		}
		seen, good := map[string]bool{}, 0
		note := func(pod *v1.Pod, gone bool) {
			if seen[pod.Name] {
				good--
			}
			if seen[pod.Name] = !gone && wanted(pod); seen[pod.Name] {
				good++
			}
			if gone {
				delete(seen, pod.Name)
			}
		}
		for i := range list.Items {
			note(&list.Items[i], false)
		}
		if good == n && len(seen) == n {
			return nil
		}
		events, err := pods.Watch(ctx, metav1.ListOptions{LabelSelector: selector, ResourceVersion: list.ResourceVersion})
		if err != nil {
			return err
		}
		for e := range events.ResultChan() {
			pod, ok := e.Object.(*v1.Pod)
			if !ok {
				break
			}
			note(pod, e.Type == watch.Deleted)
			if good == n && len(seen) == n {
				events.Stop()
				return nil
			}
		}
		events.Stop()
		if ctx.Err() != nil {
			return fmt.Errorf("%d of %d pods %s: %w", good, n, selector, errors.Join(ctx.Err(), k.process.alive()))
		}
	}
}

// podStart creates a controller of one pod and returns after how many seconds
// that is Ready.
func (k *kube) podStart(ctx context.Context, name string) (float64, error) {
	began := time.Now()
	if _, err := k.client.CoreV1().ReplicationControllers(v1.NamespaceDefault).Create(ctx, controller(name, 1), metav1.CreateOptions{}); err != nil {
		return 0, err
	}
	if err := k.awaitPods(ctx, "app="+name, 1, isReady); err != nil {
		return 0, err
	}
	took := time.Since(began).Seconds()
	_, err := k.remove(ctx, name)
	return took, err
}

// remove deletes a controller, and returns when its last pod is gone.
func (k *kube) remove(ctx context.Context, name string) (seconds float64, err error) {
	began := time.Now()
	background := metav1.DeletePropagationBackground
	err = k.client.CoreV1().ReplicationControllers(v1.NamespaceDefault).Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &background})
	if err != nil {
		return 0, err
	}
	err = k.awaitPods(ctx, "app="+name, 0, isReady)
	return time.Since(began).Seconds(), err
}

// scale makes a controller and sets its number of pods.
func (k *kube) scale(ctx context.Context, name string, from, to int32) (seconds float64, err error) {
	controllers := k.client.CoreV1().ReplicationControllers(v1.NamespaceDefault)
	if _, err := controllers.Create(ctx, controller(name, from), metav1.CreateOptions{}); err != nil {
		return 0, err
	}
	if err := k.awaitPods(ctx, "app="+name, int(from), isReady); err != nil {
		return 0, err
	}
	began := time.Now()
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, to)
	if _, err := controllers.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return 0, err
	}
	err = k.awaitPods(ctx, "app="+name, int(to), isReady)
	return time.Since(began).Seconds(), err
}

// podStarts are the seconds of all runs.
func (k *kube) podStarts(ctx context.Context, runs int) (all []float64, err error) {
	for i := range runs {
		took, err := k.podStart(ctx, fmt.Sprintf("start-%d", i))
		if err != nil {
			return all, err
		}
		all = append(all, took)
	}
	return all, nil
}
