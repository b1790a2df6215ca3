package rules

import "strings"

// Object is a kind of thing that alerts are about.
type Object struct {
	// Kind begins the summary; Name is a template of the thing's name, made of
	// the alert's labels, and empty for what there is one of.
	Kind, Name string
	// Dashboard is the name of the one to open, and Variables are those of its
	// variables that a label of the same name fills.
	Dashboard string
	Variables []string
}

// The dashboards that alerts link to, by the ends of their UIDs.
const (
	dashboardCluster    = "cluster"
	dashboardNamespaces = "namespaces"
	dashboardNode       = "node"
	dashboardWorkloads  = "workloads"
	dashboardPod        = "pod"
	dashboardContainer  = "container"
	dashboardLogs       = "logs"
	dashboardCapacity   = "capacity"
	dashboardOwn        = "lubberline"
)

const onTheNode = "{{ with $labels.node }} on {{ . }}{{ end }}"

var (
	// aContainer is one of a pod, or a plain one with a name (Docker's).
	aContainer = Object{
		Kind: "Container", Dashboard: dashboardContainer, Variables: []string{"namespace", "pod", "container"},
		Name: "{{ if $labels.pod }}{{ $labels.namespace }}/{{ $labels.pod }}/{{ $labels.container }}{{ else }}{{ $labels.name }}{{ end }}" + onTheNode,
	}
	aPod = Object{
		Kind: "Pod", Dashboard: dashboardPod, Variables: []string{"namespace", "pod"},
		Name: "{{ $labels.namespace }}/{{ $labels.pod }}" + onTheNode,
	}
	aNamespace = Object{Kind: "Namespace", Name: "{{ $labels.namespace }}", Dashboard: dashboardNamespaces, Variables: []string{"namespace"}}
	aQuota     = Object{
		Kind: "Quota", Name: "{{ $labels.namespace }}/{{ $labels.resourcequota }}",
		Dashboard: dashboardCapacity, Variables: []string{"namespace"},
	}
	aNode   = Object{Kind: "Node", Name: "{{ $labels.node }}", Dashboard: dashboardNode, Variables: []string{"node"}}
	aDevice = Object{
		Kind: "Filesystem", Name: "{{ $labels.device }}" + onTheNode,
		Dashboard: dashboardNode, Variables: []string{"node"},
	}
	aVolume  = Object{Kind: "PersistentVolume", Name: "{{ $labels.persistentvolume }}", Dashboard: dashboardCapacity}
	aClaim   = Object{Kind: "PersistentVolumeClaim", Name: "{{ $labels.namespace }}/{{ $labels.persistentvolumeclaim }}", Dashboard: dashboardCapacity, Variables: []string{"namespace"}}
	theNodes = Object{Kind: "The cluster", Dashboard: dashboardCluster}
	theRoom  = Object{Kind: "The cluster", Dashboard: dashboardCapacity}
	itself   = Object{Kind: "Lubberline" + onTheNode, Dashboard: dashboardOwn}
)

// controlled is a controller whose name is in the label.
func controlled(kind, label string) Object {
	return Object{
		Kind: kind, Name: "{{ $labels.namespace }}/{{ $labels." + label + " }}",
		Dashboard: dashboardWorkloads, Variables: []string{"namespace"},
	}
}

// link is a template of the address of the object's dashboard; uid begins the
// UIDs of the dashboards.
func (o Object) link(base, uid string) string {
	if o.Dashboard == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString(strings.TrimSuffix(base, "/") + "/d/" + uid + o.Dashboard)
	for i, name := range o.Variables {
		separator := "&"
		if i == 0 {
			separator = "?"
		}
		b.WriteString(separator + "var-" + name + "={{ $labels." + name + " | urlquery }}")
	}
	return b.String()
}
