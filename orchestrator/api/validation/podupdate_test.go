package validation_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

// gated is a pod that waits, for nodes of two kinds.
const gated = `{spec: {schedulingGates: [{name: g}], nodeSelector: {a: b}, affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: ` +
	`{nodeSelectorTerms: [{matchExpressions: [{key: k, operator: Exists}]}]}}}}}`

func TestPodUpdate(t *testing.T) {
	const only = "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`," +
		"`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations)," +
		"`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
	for name, row := range map[string]struct{ old, new, want string }{
		"nothing":                {`{}`, `{}`, ``},
		"labels":                 {`{}`, `{meta: {labels: {a: b}}}`, ``},
		"image":                  {`{}`, `{c: {image: j}}`, ``},
		"image to none":          {`{}`, `{c: {image: ""}}`, "spec.containers[0].image: Required value\nspec.containers[0].image: Required value"},
		"init image":             {`{spec: {initContainers: [{name: a, image: i}]}}`, `{spec: {initContainers: [{name: a, image: j}]}}`, ``},
		"pull policy":            {`{}`, `{c: {imagePullPolicy: Never}}`, only},
		"command":                {`{}`, `{c: {command: [x]}}`, only},
		"node":                   {`{}`, `{spec: {nodeName: n1}}`, only},
		"container added":        {`{}`, `{spec: {containers: [{name: c, image: i}, {name: d, image: i}]}}`, "spec.containers: Forbidden: pod updates may not add or remove containers"},
		"init container added":   {`{}`, `{spec: {initContainers: [{name: a, image: i}]}}`, "spec.initContainers: Forbidden: pod updates may not add or remove containers"},
		"deadline set":           {`{}`, `{spec: {activeDeadlineSeconds: 5}}`, ``},
		"deadline shortened":     {`{spec: {activeDeadlineSeconds: 6}}`, `{spec: {activeDeadlineSeconds: 5}}`, ``},
		"deadline prolonged":     {`{spec: {activeDeadlineSeconds: 5}}`, `{spec: {activeDeadlineSeconds: 6}}`, "spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value"},
		"deadline removed":       {`{spec: {activeDeadlineSeconds: 5}}`, `{}`, "spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value"},
		"toleration added":       {`{}`, `{spec: {tolerations: [{operator: Exists}]}}`, ``},
		"toleration prolonged":   {`{spec: {tolerations: [{key: a, operator: Exists, effect: NoExecute}]}}`, `{spec: {tolerations: [{key: a, operator: Exists, effect: NoExecute, tolerationSeconds: 5}]}}`, ``},
		"toleration removed":     {`{spec: {tolerations: [{operator: Exists}]}}`, `{}`, "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"},
		"gate removed":           {`{spec: {schedulingGates: [{name: a}, {name: b}]}}`, `{spec: {schedulingGates: [{name: b}]}}`, ``},
		"gate added":             {`{}`, `{spec: {schedulingGates: [{name: a}]}}`, "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'a'"},
		"mirror annotation":      {`{}`, `{meta: {annotations: {kubernetes.io/config.mirror: x}}}`, "metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not add mirror pod annotation\n" + strings.Repeat("metadata.annotations[kubernetes.io/config.mirror]: Invalid value: \"x\": must set spec.nodeName if mirror pod annotation is set\n", 2)},
		"name":                   {`{}`, `{meta: {name: q}}`, `metadata.name: Invalid value: "q": field is immutable`},
		"selector of gated":      {gated, strings.Replace(gated, "{a: b}", "{a: b, c: d}", 1), ``},
		"selector changed":       {gated, strings.Replace(gated, "{a: b}", "{a: c}", 1), `spec.nodeSelector: Invalid value: {"a":"c"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)`},
		"affinity of gated":      {gated, strings.Replace(gated, "Exists}", "Exists}, {key: l, operator: Exists}", 1), ``},
		"affinity term changed":  {gated, strings.Replace(gated, "Exists}", "DoesNotExist}", 1), `spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]: Invalid value: {"matchExpressions":[{"key":"k","operator":"DoesNotExist"}]}: only additions are allowed (no mutations or deletions)`},
		"affinity term added":    {gated, strings.Replace(gated, "{matchE", "{matchFields: [{key: metadata.name, operator: In, values: [n1]}]}, {matchE", 1), `no additions/deletions to non-empty NodeSelectorTerms list are allowed`},
		"affinity of gated, new": {`{spec: {schedulingGates: [{name: g}]}}`, strings.Replace(gated, "nodeSelector: {a: b}, ", "", 1), ``},
		"affinity removed":       {gated, `{spec: {schedulingGates: [{name: g}], nodeSelector: {a: b}}}`, `no additions/deletions to non-empty NodeSelectorTerms list are allowed`},
	} {
		t.Run(name, func(t *testing.T) {
			old, pod := podWith(t, row.old), podWith(t, row.new)
			old.ResourceVersion, pod.ResourceVersion = "1", "1"
			before := pod.DeepCopy()
			got := strings.Join(texts(validation.ValidatePodUpdate(pod, old)), "\n")
			require.Equal(t, before, pod, "validation changes nothing")
			if row.want == "" {
				require.Empty(t, got)
				return
			}
			require.Contains(t, got, strings.TrimRight(row.want, "\n"))
			if row.want == only {
				require.Contains(t, got, "\n@@ ", "what differs is shown")
			}
		})
	}
}

func TestEphemeralContainersUpdate(t *testing.T) {
	const container = `{name: %, image: i, imagePullPolicy: Always, terminationMessagePolicy: File}`
	with := func(names ...string) string {
		var list []string
		for _, name := range names {
			list = append(list, strings.Replace(container, "%", name, 1))
		}
		return `{spec: {ephemeralContainers: [` + strings.Join(list, ", ") + `]}}`
	}
	for name, row := range map[string]struct{ old, new, want string }{
		"added":       {with(), with("a"), ``},
		"second":      {with("a"), with("b", "a"), ``},
		"removed":     {with("a"), with("b"), `spec.ephemeralContainers: Forbidden: existing ephemeral containers "a" may not be removed`},
		"changed":     {with("a"), strings.Replace(with("a"), "image: i", "image: j", 1), `spec.ephemeralContainers: Forbidden: existing ephemeral containers "a" may not be changed`},
		"same name":   {with(), with("c"), `spec.ephemeralContainers[0].name: Duplicate value: "c"`},
		"of a mirror": {`{meta: {annotations: {kubernetes.io/config.mirror: x}}, spec: {nodeName: n1}}`, with("a"), `static pods do not support ephemeral containers`},
	} {
		t.Run(name, func(t *testing.T) {
			old, pod := podWith(t, row.old), podWith(t, row.new)
			old.ResourceVersion, pod.ResourceVersion = "1", "1"
			got := strings.Join(texts(validation.ValidatePodEphemeralContainersUpdate(pod, old)), "\n")
			if row.want == "" {
				require.Empty(t, got)
			}
			require.Contains(t, got, row.want)
		})
	}
}

func TestPodStatusUpdate(t *testing.T) {
	running := v1.ContainerState{Running: &v1.ContainerStateRunning{}}
	ended := func(code int32) v1.ContainerState {
		return v1.ContainerState{Terminated: &v1.ContainerStateTerminated{ExitCode: code}}
	}
	states := func(name string, s v1.ContainerState) []v1.ContainerStatus {
		return []v1.ContainerStatus{{Name: name, State: s}}
	}
	const again = "Forbidden: may not be transitioned to non-terminated state"
	for name, row := range map[string]struct {
		pod      string
		old, new v1.PodStatus
		want     string
	}{
		"runs":           {`{}`, v1.PodStatus{}, v1.PodStatus{Phase: v1.PodRunning, PodIPs: []v1.PodIP{{IP: "10.0.0.1"}}}, ``},
		"class":          {`{}`, v1.PodStatus{QOSClass: v1.PodQOSBurstable}, v1.PodStatus{QOSClass: v1.PodQOSBestEffort}, `status.qosClass: Invalid value: "BestEffort": field is immutable`},
		"condition":      {`{}`, v1.PodStatus{}, v1.PodStatus{Conditions: []v1.PodCondition{{Type: "a b"}, {Type: v1.PodReady, ObservedGeneration: -1}}}, "status.conditions[1].observedGeneration: Invalid value: -1: must be a non-negative integer"},
		"nominated":      {`{spec: {nodeName: n1}}`, v1.PodStatus{}, v1.PodStatus{NominatedNodeName: "m"}, "status.nominatedNodeName: Forbidden: may not be set on pods that are already bound to a node"},
		"restarts":       {`{}`, v1.PodStatus{ContainerStatuses: states("c", ended(1))}, v1.PodStatus{ContainerStatuses: states("c", running)}, ``},
		"ran once":       {`{spec: {restartPolicy: Never}}`, v1.PodStatus{ContainerStatuses: states("c", ended(1))}, v1.PodStatus{ContainerStatuses: states("c", running)}, "status.containerStatuses[0].state: " + again},
		"failed":         {`{spec: {restartPolicy: OnFailure}}`, v1.PodStatus{ContainerStatuses: states("c", ended(1))}, v1.PodStatus{ContainerStatuses: states("c", running)}, ``},
		"succeeded":      {`{spec: {restartPolicy: OnFailure}}`, v1.PodStatus{ContainerStatuses: states("c", ended(0))}, v1.PodStatus{ContainerStatuses: states("c", running)}, "status.containerStatuses[0].state: " + again},
		"sidecar":        {`{spec: {restartPolicy: Never, initContainers: [{name: a, image: i, restartPolicy: Always}]}}`, v1.PodStatus{InitContainerStatuses: states("a", ended(0))}, v1.PodStatus{InitContainerStatuses: states("a", running)}, ``},
		"init once":      {`{spec: {restartPolicy: Never, initContainers: [{name: a, image: i}]}}`, v1.PodStatus{InitContainerStatuses: states("a", ended(0))}, v1.PodStatus{InitContainerStatuses: states("a", running)}, "status.initContainerStatuses[0].state: " + again},
		"debugging once": {`{}`, v1.PodStatus{EphemeralContainerStatuses: states("a", ended(0))}, v1.PodStatus{EphemeralContainerStatuses: states("a", running)}, "status.ephemeralContainerStatuses[0].state: " + again},
		"address":        {`{}`, v1.PodStatus{}, v1.PodStatus{PodIPs: []v1.PodIP{{IP: "x"}}}, `status.podIPs[0]: Invalid value: "x": must be a valid IP address`},
		"address kept":   {`{}`, v1.PodStatus{PodIPs: []v1.PodIP{{IP: "x"}}}, v1.PodStatus{PodIPs: []v1.PodIP{{IP: "x"}}}, ``},
		"one family":     {`{}`, v1.PodStatus{}, v1.PodStatus{PodIPs: []v1.PodIP{{IP: "10.0.0.1"}, {IP: "10.0.0.2"}}}, "may specify no more than one IP for each IP family"},
		"two families":   {`{}`, v1.PodStatus{}, v1.PodStatus{PodIPs: []v1.PodIP{{IP: "10.0.0.1"}, {IP: "fd00::1"}}}, ``},
		"host":           {`{}`, v1.PodStatus{}, v1.PodStatus{HostIP: "10.0.0.1", HostIPs: []v1.HostIP{{IP: "10.0.0.2"}}}, "status.hostIPs[0].ip: Invalid value: \"10.0.0.2\": must be equal to `hostIP`"},
		"claim":          {`{}`, v1.PodStatus{}, v1.PodStatus{ResourceClaimStatuses: []v1.PodResourceClaimStatus{{Name: "a"}}}, "status.resourceClaimStatuses[0].name: Invalid value: \"a\": must match the name of an entry in `spec.resourceClaims`"},
		"user":           {`{}`, v1.PodStatus{}, v1.PodStatus{ContainerStatuses: []v1.ContainerStatus{{Name: "c", User: &v1.ContainerUser{Linux: &v1.LinuxContainerUser{UID: -1}}}}}, "status.containerStatuses[0].user.linux.uid: Invalid value: -1: must be between 0 and 2147483647, inclusive"},
		"health":         {`{}`, v1.PodStatus{}, v1.PodStatus{ContainerStatuses: []v1.ContainerStatus{{Name: "c", AllocatedResourcesStatus: []v1.ResourceStatus{{Name: "claim:x"}}}}}, "status.containerStatuses[0].allocatedResourcesStatus[0].name: Invalid value: \"claim:x\": must match one of the container's resource claims"},
	} {
		t.Run(name, func(t *testing.T) {
			old := podWith(t, row.pod)
			old.ResourceVersion = "1"
			pod := old.DeepCopy()
			old.Status, pod.Status = row.old, row.new
			got := strings.Join(texts(validation.ValidatePodStatusUpdate(pod, old)), "\n")
			if row.want == "" {
				require.Empty(t, got)
			}
			require.Contains(t, got, row.want)
		})
	}
	old, pod := podWith(t, `{}`), podWith(t, `{spec: {nodeName: n1}}`)
	old.ResourceVersion, pod.ResourceVersion = "1", "1"
	require.Equal(t, []string{"status.nodeName: Forbidden: may not be changed directly"}, texts(validation.ValidatePodStatusUpdate(pod, old)))
}
