package observed

import (
	"context"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/types"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Listing is the states of everything that the runtime has, by pod: cheap to
// get and enough to see for which pods something was missed.
type Listing map[types.UID]map[string]State

// ready and down stand for a sandbox's states beside those of containers.
const (
	sandboxReady = Running
	sandboxDown  = Exited
)

// List asks for all sandboxes and containers of pods. Those that no pod's label
// names are not ours and are left out.
func List(ctx context.Context, runtime Runtime) (Listing, error) {
	sandboxes, err := runtime.ListPodSandbox(ctx, &runtimeapi.ListPodSandboxRequest{})
	if err != nil {
		return nil, fmt.Errorf("list sandboxes: %w", err)
	}
	containers, err := runtime.ListContainers(ctx, &runtimeapi.ListContainersRequest{})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	listing := make(Listing)
	for _, s := range sandboxes.GetItems() {
		state := sandboxDown
		if s.GetState() == runtimeapi.PodSandboxState_SANDBOX_READY {
			state = sandboxReady
		}
		listing.add(s.GetLabels(), s.GetId(), state)
	}
	for _, c := range containers.GetContainers() {
		listing.add(c.GetLabels(), c.GetId(), stateOf(c.GetState()))
	}
	return listing, nil
}

func (l Listing) add(labels map[string]string, id string, state State) {
	uid := types.UID(labels[LabelPodUID])
	if uid == "" {
		return
	}
	if l[uid] == nil {
		l[uid] = make(map[string]State)
	}
	l[uid][id] = state
}

// Same says that the listing shows of the pod just what was read of it. A nil
// pod is one of which nothing was read.
func (l Listing) Same(uid types.UID, pod *Pod) bool {
	if pod == nil {
		return len(l[uid]) == 0
	}
	have := make(map[string]State, len(pod.Sandboxes)+len(pod.Containers))
	for _, s := range pod.Sandboxes {
		have[s.ID] = sandboxDown
		if s.Ready {
			have[s.ID] = sandboxReady
		}
	}
	for _, c := range pod.Containers {
		have[c.ID] = c.State
	}
	return maps.Equal(have, l[uid])
}
