package image

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	testclock "k8s.io/utils/clock/testing"
)

// runtime has images and a registry.
type runtime struct {
	mu         sync.Mutex
	images     []*runtimeapi.Image
	containers []*runtimeapi.Container
	registry   map[string]string // password by image, "" for anybody
	pulls      []string
	hold       chan struct{} // pulls wait for it to be closed, when set
	removed    []string
}

func (f *runtime) ImageStatus(_ context.Context, in *runtimeapi.ImageStatusRequest, _ ...grpc.CallOption) (*runtimeapi.ImageStatusResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, i := range f.images {
		if slices.Contains(i.RepoTags, in.Image.Image) {
			return &runtimeapi.ImageStatusResponse{Image: i}, nil
		}
	}
	return &runtimeapi.ImageStatusResponse{}, nil
}

func (f *runtime) PullImage(_ context.Context, in *runtimeapi.PullImageRequest, _ ...grpc.CallOption) (*runtimeapi.PullImageResponse, error) {
	f.mu.Lock()
	f.pulls = append(f.pulls, in.Image.Image)
	hold := f.hold
	f.mu.Unlock()
	if hold != nil {
		<-hold
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	password, ok := f.registry[in.Image.Image]
	if !ok {
		return nil, status.Error(codes.NotFound, "no such image")
	}
	if in.Auth.GetPassword() != password {
		return nil, status.Error(codes.Unknown, "unauthorized")
	}
	f.images = append(f.images, &runtimeapi.Image{Id: "id-" + in.Image.Image, RepoTags: []string{in.Image.Image}, Size: 42})
	return &runtimeapi.PullImageResponse{ImageRef: "id-" + in.Image.Image}, nil
}

func (f *runtime) ListImages(context.Context, *runtimeapi.ListImagesRequest, ...grpc.CallOption) (*runtimeapi.ListImagesResponse, error) {
	return &runtimeapi.ListImagesResponse{Images: f.images}, nil
}

func (f *runtime) RemoveImage(_ context.Context, in *runtimeapi.RemoveImageRequest, _ ...grpc.CallOption) (*runtimeapi.RemoveImageResponse, error) {
	f.removed = append(f.removed, in.Image.Image)
	f.images = slices.DeleteFunc(slices.Clone(f.images), func(i *runtimeapi.Image) bool { return i.Id == in.Image.Image })
	return &runtimeapi.RemoveImageResponse{}, nil
}

func (f *runtime) ListContainers(context.Context, *runtimeapi.ListContainersRequest, ...grpc.CallOption) (*runtimeapi.ListContainersResponse, error) {
	return &runtimeapi.ListContainersResponse{Containers: f.containers}, nil
}

func (f *runtime) pulled() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.pulls)
}

type secrets map[string]*corev1.Secret

func (s secrets) Secret(_ context.Context, _, name string) (*corev1.Secret, error) {
	if got := s[name]; got != nil {
		return got, nil
	}
	return nil, apierrors.NewNotFound(corev1.Resource("secret"), name)
}

type rig struct {
	*Manager
	runtime *runtime
	secrets secrets
	events  *record.FakeRecorder
	clock   *testclock.FakeClock
	disk    [2]uint64 // capacity, available
}

func newRig(t *testing.T, change func(*Options)) *rig {
	r := &rig{
		runtime: &runtime{registry: map[string]string{}}, secrets: secrets{},
		events: record.NewFakeRecorder(100), clock: testclock.NewFakeClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)),
	}
	o := Options{
		Service: r.runtime, Containers: r.runtime, Secrets: r.secrets, Events: r.events, Clock: r.clock,
		Disk: func() (uint64, uint64, error) { return r.disk[0], r.disk[1], nil },
	}
	if change != nil {
		change(&o)
	}
	m, err := New(o)
	require.NoError(t, err)
	r.Manager = m
	return r
}

func pod(uid string, secrets ...string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p" + uid, UID: types.UID("u" + uid)}}
	for _, s := range secrets {
		p.Spec.ImagePullSecrets = append(p.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: s})
	}
	return p
}

func (r *rig) ensure(p *corev1.Pod, image string, policy corev1.PullPolicy) (ref, reason, message string) {
	ref, reason, message, err := r.Ensure(context.Background(), p, &corev1.Container{Name: "c", Image: image, ImagePullPolicy: policy})
	if (err == nil) != (ref != "") {
		panic("a reference or an error")
	}
	return ref, reason, message
}

func (r *rig) expectEvents(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		require.Equal(t, w, <-r.events.Events)
	}
	require.Empty(t, r.events.Events)
}

func TestPolicies(t *testing.T) {
	r := newRig(t, nil)
	r.runtime.registry["web:latest"] = ""
	ref, reason, message := r.ensure(pod("1"), "web", corev1.PullNever)
	require.Equal(t, []string{"", "ErrImageNeverPull", `Container image "web" is not present with pull policy of Never`}, []string{ref, reason, message})
	r.expectEvents(t, `Warning ErrImageNeverPull Container image "web" is not present with pull policy of Never`, "Warning Failed Error: ErrImageNeverPull")

	ref, _, _ = r.ensure(pod("1"), "web", corev1.PullIfNotPresent)
	require.Equal(t, "id-web:latest", ref)
	r.expectEvents(t, `Normal Pulling Pulling image "web"`, `Normal Pulled Successfully pulled image "web" in 0s (0s including waiting). Image size: 42 bytes.`)

	ref, _, _ = r.ensure(pod("1"), "web", corev1.PullIfNotPresent)
	require.Equal(t, "id-web:latest", ref)
	ref, _, _ = r.ensure(pod("1"), "web", corev1.PullNever)
	require.Equal(t, "id-web:latest", ref)
	present := `Normal Pulled Container image "web" already present on machine`
	r.expectEvents(t, present, present)
	require.Equal(t, 1, r.runtime.pulled())
	_, _, _ = r.ensure(pod("1"), "web", corev1.PullAlways)
	require.Equal(t, 2, r.runtime.pulled())
}

func TestBackOff(t *testing.T) {
	r := newRig(t, nil)
	try := func(want, message string) {
		t.Helper()
		_, reason, got := r.ensure(pod("1"), "none:1", corev1.PullAlways)
		require.Equal(t, want, reason)
		require.Equal(t, message, got)
	}
	failed := "rpc error: code = NotFound desc = no such image"
	try("ErrImagePull", failed)
	r.expectEvents(t, `Normal Pulling Pulling image "none:1"`, `Warning Failed Failed to pull image "none:1": `+failed, "Warning Failed Error: ErrImagePull")
	try("ImagePullBackOff", `Back-off pulling image "none:1": ErrImagePull: `+failed)
	r.expectEvents(t, `Normal BackOff Back-off pulling image "none:1"`, "Warning Failed Error: ImagePullBackOff")
	r.clock.Step(11 * time.Second)
	try("ErrImagePull", failed)
	r.clock.Step(11 * time.Second)
	try("ImagePullBackOff", `Back-off pulling image "none:1": ErrImagePull: `+failed)
	for range 10 {
		r.clock.Step(301 * time.Second)
		try("ErrImagePull", failed)
	}
}

func TestNamesAndSpecialErrors(t *testing.T) {
	r := newRig(t, nil)
	_, reason, message := r.ensure(pod("1"), "bad:::", corev1.PullAlways)
	require.Equal(t, "InvalidImageName", reason)
	require.Equal(t, `Failed to apply default image tag "bad:::": couldn't parse image name "bad:::": invalid reference format`, message)
	for in, want := range map[string]string{"a": "a:latest", "a:1": "a:1", "h:5000/a": "h:5000/a:latest", "a@sha256:" + strings.Repeat("0", 64): "a@sha256:" + strings.Repeat("0", 64)} {
		got, err := withTag(in)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	require.Equal(t, &refusal{"RegistryUnavailable", "image pull failed for a because the registry is unavailable: down"}, classify("a", fmt.Errorf("RegistryUnavailable: down")))
	require.Equal(t, "SignatureValidationFailed", classify("a", fmt.Errorf("SignatureValidationFailed")).reason)
}

func dockerConfig(json string) *corev1.Secret {
	return &corev1.Secret{Type: corev1.SecretTypeDockerConfigJson, Data: map[string][]byte{corev1.DockerConfigJsonKey: []byte(json)}}
}

func TestPullSecrets(t *testing.T) {
	r := newRig(t, nil)
	r.runtime.registry["reg.example.com/team/web:1"] = "word"
	r.secrets["wrong"] = dockerConfig(`{"auths":{"reg.example.com":{"username":"u","password":"other"}}}`)
	r.secrets["right"] = dockerConfig(`{"auths":{"https://reg.example.com/v2/":{"auth":"dTp3b3Jk"}}}`) // u:word
	r.secrets["bad"] = dockerConfig(`{`)
	ref, _, _ := r.ensure(pod("1", "none", "bad", "wrong", "right", ""), "reg.example.com/team/web:1", corev1.PullAlways)
	require.NotEmpty(t, ref)
	require.Equal(t, `Normal Pulling Pulling image "reg.example.com/team/web:1"`, <-r.events.Events)
	require.Equal(t, "Warning FailedToRetrieveImagePullSecret Unable to retrieve some image pull secrets (none, bad); attempting to pull the image may not succeed.", <-r.events.Events)

	_, reason, message := r.ensure(pod("1", "wrong"), "reg.example.com/team/web:1", corev1.PullAlways)
	require.Equal(t, "ErrImagePull", reason)
	require.Contains(t, message, "unauthorized")
}

func TestCredentialsOfRegistries(t *testing.T) {
	f := func(registry, image string, want bool) {
		t.Helper()
		got := lookup([]credential{{registryName(registry), &runtimeapi.AuthConfig{}}}, image)
		require.Equal(t, want, len(got) == 1, "%s for %s", registry, image)
	}
	f("https://index.docker.io/v1/", "busybox", true)
	f("docker.io", "me/mine:1", true)
	f("reg.io:5000", "reg.io:5000/a", true)
	f("reg.io", "reg.io:5000/a", false)
	f("*.reg.io", "a.reg.io/x", true)
	f("*.reg.io", "a.b.reg.io/x", false)
	f("reg.io/team", "reg.io/team/x", true)
	f("reg.io/team", "reg.io/teams/x", false)
	f("[.io", "a.io/x", false)

	specific := lookup([]credential{{"reg.io", &runtimeapi.AuthConfig{Username: "any"}}, {"reg.io/team", &runtimeapi.AuthConfig{Username: "team"}}}, "reg.io/team/x")
	require.Equal(t, "team", specific[0].Username)
}

func TestPullsAreSharedAndLimited(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Parallel = 1 })
	r.runtime.registry["a:1"], r.runtime.registry["b:1"] = "", ""
	r.runtime.hold = make(chan struct{})
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() { r.ensure(pod("1"), "a:1", corev1.PullAlways) })
	}
	require.Eventually(t, func() bool { return r.runtime.pulled() == 1 }, 10*time.Second, time.Millisecond)
	all.Go(func() { r.ensure(pod("1"), "b:1", corev1.PullAlways) })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, _, err := r.Ensure(ctx, pod("1"), &corev1.Container{Image: "a:1", ImagePullPolicy: corev1.PullAlways})
	require.ErrorIs(t, err, context.Canceled, "who waits may stop waiting")
	require.Equal(t, 1, r.runtime.pulled())
	close(r.runtime.hold)
	all.Wait()
	require.Contains(t, r.runtime.pulls, "b:1")
}

func TestGarbage(t *testing.T) {
	r := newRig(t, nil)
	image := func(id string, size uint64) *runtimeapi.Image {
		return &runtimeapi.Image{Id: id, Size: size, RepoTags: []string{id + ":1"}}
	}
	pinned := image("pinned", 10)
	pinned.Pinned = true
	r.runtime.images = []*runtimeapi.Image{image("old", 10), image("used", 10), image("newer", 10), pinned}
	r.runtime.containers = []*runtimeapi.Container{{ImageRef: "used"}, {Image: &runtimeapi.ImageSpec{Image: "newer:1"}}}
	r.disk = [2]uint64{100, 16}
	require.NoError(t, r.Collect(t.Context()))
	require.Empty(t, r.runtime.removed, "84 % are below the threshold")

	r.clock.Step(time.Minute)
	require.NoError(t, r.Collect(t.Context()))
	r.runtime.containers = r.runtime.containers[:1]
	r.disk = [2]uint64{100, 10}
	require.ErrorContains(t, r.Collect(t.Context()), "insufficient free disk space on the node's image filesystem (90% of 100 used)")
	require.Empty(t, r.runtime.removed, "too young")
	r.clock.Step(5 * time.Minute)
	require.NoError(t, r.Collect(t.Context()))
	require.Equal(t, []string{"old"}, r.runtime.removed, "down to 80 %, the longest unused first")

	freed, err := r.DeleteUnused(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(10), freed)
	require.Equal(t, []string{"old", "newer"}, r.runtime.removed)
	_, err = New(Options{Service: r.runtime, Containers: r.runtime, Secrets: r.secrets, HighPercent: 50, LowPercent: 60})
	require.ErrorContains(t, err, "the low one must not be above")
}

func FuzzPullSecret(f *testing.F) {
	f.Add(`{"auths":{"a":{"auth":"dTp3"}}}`, "a/b")
	f.Add(`{"auths":{"*[":{}}}`, "x")
	f.Fuzz(func(t *testing.T, json, image string) {
		found, _ := parseSecret(dockerConfig(json))
		for range lookup(found, image) {
			require.NotEmpty(t, found)
		}
	})
}
