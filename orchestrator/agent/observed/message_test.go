package observed

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func exited(t *testing.T, policy v1.TerminationMessagePolicy, code int32, message, log string) *cri.ContainerStatus {
	dir := t.TempDir()
	file, logFile := filepath.Join(dir, "message"), filepath.Join(dir, "log")
	require.NoError(t, os.WriteFile(file, []byte(message), 0o600))
	require.NoError(t, os.WriteFile(logFile, []byte(log), 0o600))
	return &cri.ContainerStatus{
		ExitCode: code, LogPath: logFile, Mounts: []*cri.Mount{{ContainerPath: "/dev/termination-log", HostPath: file}},
		Annotations: map[string]string{annotationMessagePath: "/dev/termination-log", annotationMessagePolicy: string(policy)},
	}
}

func line(text string) string { return "2026-11-25T03:00:00.000000000Z stdout F " + text + "\n" }

func TestTerminationMessage(t *testing.T) {
	f := func(policy v1.TerminationMessagePolicy, code int32, message, log, want string) {
		t.Helper()
		require.Equal(t, want, terminationMessage(exited(t, policy, code, message, log)))
	}
	file, fallback := v1.TerminationMessageReadFile, v1.TerminationMessageFallbackToLogsOnError
	f(file, 1, "why", line("log"), "why")
	f(file, 1, "", line("log"), "")
	f(fallback, 1, "", line("log"), "log\n")
	f(fallback, 1, "why", line("log"), "why")
	f(fallback, 0, "", line("log"), "")
	f(fallback, 1, "", "", "")
	f(file, 1, strings.Repeat("x", 5000), "", strings.Repeat("x", 4096))
	f(fallback, 1, "", strings.Repeat(line("a"), 200), strings.Repeat("a\n", 80))
	f(fallback, 1, "", line(strings.Repeat("y", 3000)), strings.Repeat("y", 2047)+"\n")
	f(fallback, 1, "", "2026-11-25T03:00:00Z stdout P half\n2026-11-25T03:00:00Z stdout F  whole\n", "half whole\n")
}

func TestTerminationMessageIsNoOtherFile(t *testing.T) {
	status := exited(t, v1.TerminationMessageReadFile, 1, "", "")
	path := status.Mounts[0].HostPath
	require.NoError(t, os.Remove(path))
	require.Empty(t, terminationMessage(status))
	require.NoError(t, os.Symlink("/etc/passwd", path))
	require.Equal(t, "Error on reading termination log "+path+": not a regular file", terminationMessage(status))
}

func FuzzLogText(f *testing.F) {
	f.Add([]byte(line("hello")))
	f.Add([]byte("a b c"))
	f.Add([]byte("2026 stderr P x\n\n stdout F"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if text := logText(raw); len(text) > maxMessageLog || len(text) > len(raw) {
			t.Fatalf("%d bytes of %d", len(text), len(raw))
		}
	})
}

func TestAnnotationsComeBack(t *testing.T) {
	grace, deletion := int64(30), int64(4)
	pod := &v1.Pod{}
	pod.Spec.TerminationGracePeriodSeconds = &grace
	container := &v1.Container{Name: "c", Image: "i", Ports: []v1.ContainerPort{{Name: "http", ContainerPort: 80}}, Lifecycle: &v1.Lifecycle{
		PreStop: &v1.LifecycleHandler{Exec: &v1.ExecAction{Command: []string{"bye"}}},
	}}
	annotations := ContainerAnnotations(pod, container, 7)
	require.Equal(t, int32(7), restartsOf(annotations, 1))
	kill := killOf(annotations)
	require.Equal(t, grace, *kill.Grace)
	require.Equal(t, container.Ports, kill.Ports)
	require.Equal(t, container.Lifecycle.PreStop, kill.PreStop)
	pod.DeletionGracePeriodSeconds = &deletion
	require.Equal(t, deletion, *killOf(ContainerAnnotations(pod, container, 0)).Grace)

	require.Equal(t, int32(3), restartsOf(map[string]string{annotationRestarts: "what"}, 3))
	require.Equal(t, Kill{}, killOf(map[string]string{annotationTerminationGrace: "-1", annotationPreStop: "{", annotationPorts: "["}))
	other := container.DeepCopy()
	other.Image = "j"
	require.NotEqual(t, Hash(container), Hash(other))
}
