package image

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// credential is for the images below a registry's name, whose host may have
// "*" in its parts: "*.example.com/team".
type credential struct {
	registry string
	auth     *runtimeapi.AuthConfig
}

// entry is one registry in Docker's configuration.
type entry struct {
	Username      string `json:"username"`
	Password      string `json:"password"`
	Auth          string `json:"auth"` // base64 of "user:password"
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

// parseSecret reads both forms of a pull secret.
func parseSecret(s *corev1.Secret) ([]credential, error) {
	if data, ok := s.Data[corev1.DockerConfigJsonKey]; ok && s.Type == corev1.SecretTypeDockerConfigJson {
		var file struct {
			Auths map[string]entry `json:"auths"`
		}
		if err := json.Unmarshal(data, &file); err != nil {
			return nil, fmt.Errorf("read %s: %w", corev1.DockerConfigJsonKey, err)
		}
		return fromEntries(file.Auths)
	}
	if data, ok := s.Data[corev1.DockerConfigKey]; ok && s.Type == corev1.SecretTypeDockercfg {
		var entries map[string]entry
		if err := json.Unmarshal(data, &entries); err != nil {
			return nil, fmt.Errorf("read %s: %w", corev1.DockerConfigKey, err)
		}
		return fromEntries(entries)
	}
	return nil, fmt.Errorf("secret of type %q holds no registry credentials", s.Type)
}

func fromEntries(entries map[string]entry) ([]credential, error) {
	var out []credential
	var failed error
	for registry, e := range entries {
		auth, err := e.config(registry)
		if err != nil {
			failed = fmt.Errorf("registry %q: %w", registry, err)
			continue
		}
		out = append(out, credential{registryName(registry), auth})
	}
	return out, failed
}

func (e entry) config(registry string) (*runtimeapi.AuthConfig, error) {
	a := &runtimeapi.AuthConfig{
		Username: e.Username, Password: e.Password, IdentityToken: e.IdentityToken, RegistryToken: e.RegistryToken,
		ServerAddress: registry,
	}
	if e.Auth == "" {
		return a, nil
	}
	plain, err := base64.StdEncoding.DecodeString(e.Auth)
	if err != nil {
		plain, err = base64.RawStdEncoding.DecodeString(e.Auth)
	}
	if err != nil {
		return nil, fmt.Errorf("auth is not base64: %w", err)
	}
	user, password, ok := strings.Cut(string(plain), ":")
	if !ok {
		return nil, fmt.Errorf("auth is not of the form user:password")
	}
	a.Username, a.Password = user, password
	return a, nil
}

// registryName is "host/path" of what may be a URL of the registry's API.
func registryName(s string) string {
	if _, after, ok := strings.Cut(s, "://"); ok {
		s = after
	}
	host, rest, _ := strings.Cut(s, "/")
	rest = strings.Trim(rest, "/")
	if rest == "v1" || rest == "v2" {
		rest = ""
	}
	if host == "docker.io" || host == "registry-1.docker.io" {
		host = "index.docker.io"
	}
	return strings.TrimSuffix(host+"/"+rest, "/")
}

// lookup returns the credentials for the image, the longest name first.
func lookup(all []credential, image string) (auths []*runtimeapi.AuthConfig) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return nil
	}
	repository := registryName(named.Name())
	fit := slices.DeleteFunc(slices.Clone(all), func(c credential) bool { return !c.fits(repository) })
	slices.SortStableFunc(fit, func(a, b credential) int {
		if d := len(b.registry) - len(a.registry); d != 0 {
			return d
		}
		return strings.Compare(a.registry, b.registry)
	})
	for _, c := range fit {
		auths = append(auths, c.auth)
	}
	return auths
}

// fits compares the host part by part and the path as whole names.
func (c credential) fits(repository string) bool {
	host, rest, _ := strings.Cut(repository, "/")
	wantHost, wantRest, _ := strings.Cut(c.registry, "/")
	if wantRest != "" && rest != wantRest && !strings.HasPrefix(rest, wantRest+"/") {
		return false
	}
	have, want := strings.Split(host, "."), strings.Split(wantHost, ".")
	if len(have) != len(want) {
		return false
	}
	for i := range have {
		if ok, err := path.Match(want[i], have[i]); err != nil || !ok {
			return false
		}
	}
	return true
}
