package simtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/testing"
)

// Faults are the probabilities with which a controller's request fails.
type Faults struct {
	Refused  float64 // an error, and nothing is done
	Lost     float64 // an error, although it is done
	Conflict float64 // a write meets a conflict
}

// react carries out a controller's request.
func (w *World) react(action testing.Action) (bool, runtime.Object, error) {
	i := slices.IndexFunc(kinds, func(k resourceKind) bool { return k.resource == action.GetResource() })
	if i < 0 {
		return true, nil, fmt.Errorf("the simulation has no %s", action.GetResource())
	}
	writes := action.GetVerb() != "get" && action.GetVerb() != "list"
	if w.Chance(w.Faults.Refused) {
		return true, nil, apierrors.NewTooManyRequests("simulated", 0)
	}
	if action.GetVerb() == "update" && w.Chance(w.Faults.Conflict) {
		return true, nil, apierrors.NewConflict(kinds[i].resource.GroupResource(), "simulated", errors.New("simulated"))
	}
	w.API.requested = true
	o, err := w.API.carryOut(&kinds[i], action)
	w.API.requested = false
	if err == nil && writes && w.Chance(w.Faults.Lost) {
		return true, nil, apierrors.NewTimeoutError("simulated", 0)
	}
	if err != nil || o == nil {
		return true, nil, err
	}
	return true, o.DeepCopyObject(), nil
}

func (a *API) carryOut(k *resourceKind, action testing.Action) (runtime.Object, error) {
	namespace := action.GetNamespace()
	switch action := action.(type) {
	case testing.CreateActionImpl:
		o := action.GetObject().DeepCopyObject().(Object)
		o.SetNamespace(namespace)
		return a.Create(o)
	case testing.PatchActionImpl:
		return a.patch(k, namespace, action)
	case testing.UpdateActionImpl:
		return a.Update(action.GetObject().(Object), action.GetSubresource())
	case testing.DeleteActionImpl:
		o, err := a.get(k, namespace, action.Name)
		if err != nil {
			return nil, err
		}
		if grace := action.DeleteOptions.GracePeriodSeconds; grace != nil && *grace == 0 && len(o.GetFinalizers()) == 0 {
			a.remove(o)
			return nil, nil
		}
		return nil, a.Delete(o, action.DeleteOptions.Preconditions)
	case testing.GetActionImpl:
		return a.get(k, namespace, action.GetName())
	case testing.ListActionImpl:
		return a.list(k, namespace)
	}
	return nil, fmt.Errorf("the simulation has no %s", action.GetVerb())
}

func (a *API) patch(k *resourceKind, namespace string, action testing.PatchAction) (Object, error) {
	old, err := a.get(k, namespace, action.GetName())
	if err != nil {
		return nil, err
	}
	if action.GetPatchType() != types.StrategicMergePatchType {
		return nil, fmt.Errorf("the simulation has no %s", action.GetPatchType())
	}
	before, err := json.Marshal(old)
	if err != nil {
		return nil, err
	}
	after, err := strategicpatch.StrategicMergePatch(before, action.GetPatch(), k.prototype)
	if err != nil {
		return nil, err
	}
	updated := reflect.New(reflect.TypeOf(k.prototype).Elem()).Interface().(Object)
	if err := json.Unmarshal(after, updated); err != nil {
		return nil, err
	}
	return a.Update(updated, action.GetSubresource())
}

func (a *API) list(k *resourceKind, namespace string) (runtime.Object, error) {
	list, err := scheme.Scheme.New(k.kind.GroupVersion().WithKind(k.kind.Kind + "List"))
	if err != nil {
		return nil, err
	}
	objects := a.objects[reflect.TypeOf(k.prototype)]
	var items []runtime.Object
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		if o := objects[key]; namespace == "" || o.GetNamespace() == namespace {
			items = append(items, o)
		}
	}
	return list, meta.SetList(list, items)
}
