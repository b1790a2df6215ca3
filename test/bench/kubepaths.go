package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lubberline/lubberline/orchestrator/runtime/imagefile"
)

const (
	// podImage runs test/services/pod.
	podImage = "lubberline.test/pod:1"
	// pathTime is how long each way to a pod is used, by pathClients at a time.
	pathTime    = 4 * time.Second
	pathClients = 8
)

// path is what one way to a pod bore: a line of `pod compare`.
type path struct {
	URL    string  `json:"url"`
	Kept   bool    `json:"kept"`
	Rate   float64 `json:"rate"`
	Median float64 `json:"median"`
	P99    float64 `json:"p99"`
}

// paths has one pod ask another by its own address and by its service's.
func (k *kube) paths(ctx context.Context) ([]path, error) {
	if err := k.importPodImage(ctx); err != nil {
		return nil, err
	}
	pods := k.client.CoreV1().Pods(corev1.NamespaceDefault)
	if _, err := pods.Create(ctx, programPod("web", "serve"), metav1.CreateOptions{}); err != nil {
		return nil, err
	}
	if err := k.awaitPods(ctx, "app=web", 1, isReady); err != nil {
		return nil, err
	}
	web, err := pods.Get(ctx, "web", metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	service, err := k.client.CoreV1().Services(corev1.NamespaceDefault).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	answers := func(ctx context.Context) error {
		_, err := get(ctx, service.Spec.ClusterIP, "/")
		return err
	}
	if err := k.await(ctx, answers); err != nil {
		return nil, err
	}
	asks := programPod("asks", "compare", pathTime.String(), fmt.Sprint(pathClients),
		"http://"+web.Status.PodIP+":8080", "http://"+service.Spec.ClusterIP)
	if _, err := pods.Create(ctx, asks, metav1.CreateOptions{}); err != nil {
		return nil, err
	}
	ended := func(p *corev1.Pod) bool {
		return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
	}
	if err := k.awaitPods(ctx, "app=asks", 1, ended); err != nil {
		return nil, err
	}
	log, err := pods.GetLogs("asks", &corev1.PodLogOptions{}).DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	return readPaths(string(log))
}

func readPaths(log string) (all []path, err error) {
	for text := range strings.Lines(log) {
		var p path
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			return nil, fmt.Errorf("the pod that asks says %q", log)
		}
		all = append(all, p)
	}
	if len(all) != 4 {
		return nil, fmt.Errorf("the pod that asks says %q: want two ways, each twice", log)
	}
	return all, nil
}

// programPod runs test/services/pod once.
func programPod(name string, args ...string) *corev1.Pod {
	now := int64(0)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, TerminationGracePeriodSeconds: &now,
			Containers: []corev1.Container{{Name: "main", Image: podImage, Args: args}},
		},
	}
}

// importPodImage builds the program and gives it to the runtime as an image.
func (k *kube) importPodImage(ctx context.Context) error {
	dir := filepath.Join(k.dir, "image")
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, "pod"), "./test/services/pod")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	files, err := imagefile.Folder(dir)
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	file := filepath.Join(k.dir, "image.tar")
	err = errors.Join(
		imagefile.Image{Name: podImage, Entrypoint: []string{"/pod"}, Files: files}.Write(&archive),
		os.WriteFile(file, archive.Bytes(), 0o600),
	)
	if err != nil {
		return err
	}
	socket := filepath.Join(k.runtimeState(), "containerd.sock")
	if out, err := exec.CommandContext(ctx, filepath.Join(k.s.bin, "lubberline"), "images", "import", "--socket", socket, file).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// reportPaths holds the service's address against the pod's own.
func reportPaths(r *report, all []path) {
	for i := 0; i+1 < len(all); i += 2 {
		own, service := all[i], all[i+1]
		what := "a new connection each"
		if own.Kept {
			what = "kept connections"
		}
		const peer = "the pod's own address"
		r.add(line{what: fmt.Sprintf("pod to pod through a cluster IP, %d clients, %s: requests", pathClients, what), ours: service.Rate, unit: "/s", other: own.Rate, peer: peer})
		r.add(line{what: "  median of an answer", ours: service.Median, unit: "us", other: own.Median, peer: peer})
		r.add(line{what: "  p99", ours: service.P99, unit: "us", other: own.P99, peer: peer})
	}
}
