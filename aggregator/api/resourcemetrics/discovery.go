package resourcemetrics

// The documents by which clients find out what is served, as the Kubernetes API
// machinery writes them.

type version struct {
	Major      string `json:"major"`
	Minor      string `json:"minor"`
	GitVersion string `json:"gitVersion"`
	Platform   string `json:"platform"`
}

type apiVersions struct {
	Kind       string   `json:"kind"`
	Versions   []string `json:"versions"`
	ServerCIDR []string `json:"serverAddressByClientCIDRs"`
}

// coreVersions says that the core group is not served here.
func coreVersions() apiVersions {
	return apiVersions{Kind: "APIVersions", Versions: []string{}, ServerCIDR: []string{}}
}

type groupVersion struct {
	GroupVersion string `json:"groupVersion"`
	Version      string `json:"version"`
}

type apiGroup struct {
	Kind       string         `json:"kind,omitempty"`
	APIVersion string         `json:"apiVersion,omitempty"`
	Name       string         `json:"name"`
	Versions   []groupVersion `json:"versions"`
	Preferred  groupVersion   `json:"preferredVersion"`
}

type apiGroupList struct {
	Kind       string     `json:"kind"`
	APIVersion string     `json:"apiVersion"`
	Groups     []apiGroup `json:"groups"`
}

func ourGroup() apiGroup {
	g := apiGroup{Name: group}
	for _, v := range versions {
		g.Versions = append(g.Versions, groupVersion{GroupVersion: group + "/" + v, Version: v})
	}
	g.Preferred = g.Versions[0]
	return g
}

func groupDocument() apiGroup {
	g := ourGroup()
	g.Kind, g.APIVersion = "APIGroup", "v1"
	return g
}

func groupList() apiGroupList {
	return apiGroupList{Kind: "APIGroupList", APIVersion: "v1", Groups: []apiGroup{ourGroup()}}
}

type apiResource struct {
	Name         string   `json:"name"`
	SingularName string   `json:"singularName"`
	Namespaced   bool     `json:"namespaced"`
	Kind         string   `json:"kind"`
	Verbs        []string `json:"verbs"`
}

type apiResourceList struct {
	Kind         string        `json:"kind"`
	APIVersion   string        `json:"apiVersion"`
	GroupVersion string        `json:"groupVersion"`
	Resources    []apiResource `json:"resources"`
}

func resources(version string) apiResourceList {
	verbs := []string{"get", "list"}
	return apiResourceList{
		Kind: "APIResourceList", APIVersion: "v1", GroupVersion: group + "/" + version,
		Resources: []apiResource{
			{Name: "nodes", Kind: "NodeMetrics", Verbs: verbs},
			{Name: "pods", Kind: "PodMetrics", Namespaced: true, Verbs: verbs},
		},
	}
}
