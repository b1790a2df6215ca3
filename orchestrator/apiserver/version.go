package apiserver

import (
	goruntime "runtime"

	"k8s.io/apimachinery/pkg/version"
	"k8s.io/component-base/compatibility"
)

// kubernetesVersion is whose API this is.
const kubernetesVersion = "1.37.2"

// effectiveVersion says that version; the library's own is of how it was built.
type effectiveVersion struct {
	compatibility.EffectiveVersion
}

func newVersion() effectiveVersion {
	return effectiveVersion{compatibility.NewEffectiveVersionFromString(kubernetesVersion, "", "")}
}

// Info is what /version answers.
func (effectiveVersion) Info() *version.Info {
	return &version.Info{
		Major: "1", Minor: "37", GitVersion: "v" + kubernetesVersion, GitTreeState: "clean",
		GoVersion: goruntime.Version(), Compiler: goruntime.Compiler, Platform: goruntime.GOOS + "/" + goruntime.GOARCH,
	}
}
