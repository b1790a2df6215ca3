package daemonset

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/controller/ownership"
	"github.com/lubberline/lubberline/orchestrator/controller/templatehash"
)

const hashLabel = appsv1.DefaultDaemonSetUniqueLabelKey

// history is a daemon set's templates: the hash of the present one, and the
// revisions of the others, oldest first.
type history struct {
	hash string
	old  []*appsv1.ControllerRevision
}

// syncHistory makes sure that the present template has a revision, the newest.
func (c *Controller) syncHistory(ctx context.Context, ds *appsv1.DaemonSet, selector labels.Selector, pods []*corev1.Pod) (history, error) {
	revisions, err := c.claimRevisions(ctx, ds, selector)
	if err != nil {
		return history{}, err
	}
	data, err := snapshot(ds)
	if err != nil {
		return history{}, err
	}
	var h history
	var same []*appsv1.ControllerRevision
	newest := int64(1)
	for _, r := range revisions {
		if equalData(r.Data.Raw, data) {
			same = append(same, r)
		} else {
			h.old = append(h.old, r)
			newest = r.Revision + 1
		}
	}
	current, err := c.currentRevision(ctx, ds, pods, same, data, newest)
	if err != nil {
		return history{}, err
	}
	h.hash = current.Labels[hashLabel]
	return h, nil
}

// claimRevisions returns them by age.
func (c *Controller) claimRevisions(ctx context.Context, ds *appsv1.DaemonSet, selector labels.Selector) ([]*appsv1.ControllerRevision, error) {
	all, err := c.revisions.ControllerRevisions(ds.Namespace).List(labels.Everything())
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b *appsv1.ControllerRevision) int {
		return cmp.Or(cmp.Compare(a.Revision, b.Revision), cmp.Compare(a.Name, b.Name))
	})
	claimer := ownership.Claimer{Owner: ds, Kind: kind, Selector: selector, Fresh: c.fresh(ds), Patch: func(ctx context.Context, name string, patch []byte) error {
		_, err := c.client.AppsV1().ControllerRevisions(ds.Namespace).Patch(ctx, name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
		return err
	}}
	return ownership.Claim(ctx, claimer, all)
}

// snapshot is the template as a patch that brings it back, which is what kubectl
// rollout undo applies.
func snapshot(ds *appsv1.DaemonSet) ([]byte, error) {
	encoded, err := json.Marshal(ds.Spec.Template)
	if err != nil {
		return nil, err
	}
	template := map[string]any{}
	if err := json.Unmarshal(encoded, &template); err != nil {
		return nil, err
	}
	template["$patch"] = "replace"
	return json.Marshal(map[string]any{"spec": map[string]any{"template": template}})
}

// equalData compares what two snapshots say, however they are written.
func equalData(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// currentRevision is the newest of those that are the same as the template, made
// the newest of all; or a new one.
func (c *Controller) currentRevision(ctx context.Context, ds *appsv1.DaemonSet, pods []*corev1.Pod, same []*appsv1.ControllerRevision, data []byte, newest int64) (*appsv1.ControllerRevision, error) {
	if len(same) == 0 {
		return c.createRevision(ctx, ds, data, newest)
	}
	current := same[len(same)-1]
	if err := c.dropDuplicates(ctx, pods, current, same[:len(same)-1]); err != nil {
		return nil, err
	}
	if current.Revision >= newest && current.Labels[hashLabel] != "" {
		return current, nil
	}
	current = current.DeepCopy()
	current.Revision = max(current.Revision, newest)
	if current.Labels == nil {
		current.Labels = map[string]string{}
	}
	current.Labels[hashLabel] = cmp.Or(current.Labels[hashLabel], current.Name)
	return c.client.AppsV1().ControllerRevisions(ds.Namespace).Update(ctx, current, metav1.UpdateOptions{})
}

// dropDuplicates gives the pods of revisions with the same content the label of
// the one that is kept, and deletes the others.
func (c *Controller) dropDuplicates(ctx context.Context, pods []*corev1.Pod, keep *appsv1.ControllerRevision, others []*appsv1.ControllerRevision) error {
	for _, other := range others {
		for _, pod := range pods {
			if pod.Labels[hashLabel] != other.Labels[hashLabel] {
				continue
			}
			patch := fmt.Appendf(nil, `{"metadata":{"uid":%q,"labels":{%q:%q}}}`, pod.UID, hashLabel, keep.Labels[hashLabel])
			if err := c.control.Patch(pod.Namespace)(ctx, pod.Name, patch); err != nil && !apierrors.IsNotFound(err) {
				return err
			}
		}
		if err := c.deleteRevision(ctx, other); err != nil {
			return err
		}
	}
	return nil
}

func (c *Controller) createRevision(ctx context.Context, ds *appsv1.DaemonSet, data []byte, number int64) (*appsv1.ControllerRevision, error) {
	hash := templatehash.Of(&ds.Spec.Template, ds.Status.CollisionCount)
	set := maps.Clone(ds.Spec.Template.Labels)
	set[hashLabel] = hash
	r := &appsv1.ControllerRevision{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: ds.Namespace, Name: ds.Name + "-" + hash, Labels: set, Annotations: maps.Clone(ds.Annotations),
			OwnerReferences: []metav1.OwnerReference{ownership.Reference(ds, kind)},
		},
		Data: runtime.RawExtension{Raw: data}, Revision: number,
	}
	client := c.client.AppsV1().ControllerRevisions(ds.Namespace)
	created, err := client.Create(ctx, r, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return created, err
	}
	known, getErr := client.Get(ctx, r.Name, metav1.GetOptions{})
	if getErr != nil {
		return nil, getErr
	}
	if metav1.IsControlledBy(known, ds) && equalData(known.Data.Raw, data) {
		return known, nil // the cache has not shown it yet
	}
	return nil, c.countCollision(ctx, ds, err)
}

// countCollision makes the next try use another hash.
func (c *Controller) countCollision(ctx context.Context, ds *appsv1.DaemonSet, exists error) error {
	updated := ds.DeepCopy()
	next := int32(1)
	if n := ds.Status.CollisionCount; n != nil {
		next = *n + 1
	}
	updated.Status.CollisionCount = &next
	if _, err := c.client.AppsV1().DaemonSets(ds.Namespace).UpdateStatus(ctx, updated, metav1.UpdateOptions{}); err != nil {
		return err
	}
	return exists
}

// cleanUp deletes the oldest revisions that no pod has, down to the limit.
func (c *Controller) cleanUp(ctx context.Context, s *state) error {
	limit := 10
	if s.ds.Spec.RevisionHistoryLimit != nil {
		limit = int(*s.ds.Spec.RevisionHistoryLimit)
	}
	surplus := len(s.old) - limit
	used := map[string]bool{}
	for _, pod := range s.allPods() {
		used[pod.Labels[hashLabel]] = true
	}
	for _, r := range s.old {
		if surplus <= 0 {
			break
		}
		if used[r.Labels[hashLabel]] {
			continue
		}
		if err := c.deleteRevision(ctx, r); err != nil {
			return fmt.Errorf("failed to clean up revisions of DaemonSet: %w", err)
		}
		surplus--
	}
	return nil
}

func (c *Controller) deleteRevision(ctx context.Context, r *appsv1.ControllerRevision) error {
	err := c.client.AppsV1().ControllerRevisions(r.Namespace).Delete(ctx, r.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(r.UID))})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
