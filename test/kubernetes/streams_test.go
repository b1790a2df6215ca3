package kubernetes

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/stretchr/testify/require"
)

func logs(k *kube) {
	k.create(pod("one", "for i in 1 2 3; do echo line $i; echo fault $i >&2; done; "+counting))
	k.ready("one")
	f := k.follow("logs", "-f", "one")
	f.prints("line 3 of one", 1)
	f.prints("fault 3", 1)
	var out, faults []string // the streams are pipes of their own, each in order
	for line := range strings.Lines(f.String()) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "fault") {
			faults = append(faults, line)
		} else {
			out = append(out, line)
		}
	}
	require.Equal(k.t, []string{"line 1", "line 2", "line 3", "line 0 of one", "line 1 of one", "line 2 of one", "line 3 of one"}, out[:7])
	require.Equal(k.t, []string{"fault 1", "fault 2", "fault 3"}, faults)
	require.Len(k.t, strings.Split(strings.TrimSpace(k.run("logs", "one", "--tail=1")), "\n"), 1)
	require.Regexp(k.t, `(?m)^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z line 1$`, k.run("logs", "one", "--timestamps"))
	require.Len(k.t, k.run("logs", "one", "--limit-bytes=6"), 6)
	require.Contains(k.t, k.run("logs", "-l", "app=one", "--prefix", "--tail=-1"), "[pod/one/main] line 1\n")
	require.Contains(k.t, k.run("logs", "one", "--since=1h", "-c", "main"), "fault 3")
	require.Contains(k.t, k.refused("logs", "one", "-c", "none"), "container none is not valid for pod one")
	require.Contains(k.t, k.refused("logs", "one", "-p"), `previous terminated container "main" in pod "one" not found`)

	k.create(pod("twice", "echo life; exit 3"))
	k.becomes("3", "{.status.containerStatuses[0].lastState.terminated.exitCode}", "pod", "twice")
	require.Equal(k.t, "life\n", k.run("logs", "twice", "-p"))
	k.run("delete", "pod", "one", "twice")
	require.Zero(k.t, f.exits(), "the follower ends with the pod")
}

func execute(k *kube) {
	k.create(sleeper("one"))
	k.ready("one")
	require.Equal(k.t, "one\n", k.run("exec", "one", "--", "hostname"))
	require.Equal(k.t, "HELLO\n", k.input("hello\n", "exec", "-i", "one", "--", "tr", "a-z", "A-Z"))
	out, complaint, err := k.try("exec", "one", "--", "sh", "-c", "echo good; echo bad >&2; exit 7")
	require.ErrorContains(k.t, err, "exit status 7")
	require.Equal(k.t, "good\n", out)
	require.Equal(k.t, "bad\ncommand terminated with exit code 7\n", complaint)
	require.Contains(k.t, k.refused("exec", "one", "--", "/nothing"), "no such file or directory")
	require.Contains(k.t, k.refused("exec", "one", "-c", "other", "--", "true"), "container other is not valid for pod one")
	require.Contains(k.t, k.refused("exec", "nobody", "--", "true"), `pods "nobody" not found`)
	big := strings.Repeat("0123456789abcdef", 1<<16) // a MiB each way
	require.Equal(k.t, big, k.input(big, "exec", "-i", "one", "--", "cat"))
}

func executeOnTerminal(k *kube) {
	k.create(sleeper("one"))
	k.ready("one")
	s := k.terminal("exec", "-it", "one", "--", "sh")
	s.prints("# ", 1)
	s.write("stty size; tty; echo $((40+2)) there\n")
	s.prints("40 100", 1)
	s.prints("/dev/pts/", 1)
	s.prints("42 there", 1)
	s.write("(echo go $((4*2)); exec sleep 1000); echo back $?\n")
	s.prints("go 8", 1)
	s.write("\x03") // Ctrl-C ends the sleep, not the shell
	s.prints("\r\n/ # ", 2)
	s.write("exit 9\n")
	require.Equal(k.t, 9, s.exits(), s.String())
}

func forwardPorts(k *kube) {
	k.create(pod("one", "mkdir /w; echo ahoy >/w/index.html; exec httpd -f -p 8080 -h /w"))
	k.ready("one")
	f := k.follow("port-forward", "pod/one", ":8080")
	f.prints("Forwarding from 127.0.0.1:", 1)
	address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(f.String())
	for range 3 {
		k.until("the server answers", func() error { return expectPage("http://"+address+"/", "ahoy\n") })
	}
	silent := k.follow("port-forward", "pod/one", ":9")
	silent.prints("Forwarding from 127.0.0.1:", 1)
	nobody := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(silent.String())
	require.Error(k.t, expectPage("http://"+nobody+"/", ""))
	silent.prints("connection refused", 1)
	require.Equal(k.t, "ahoy\n", k.run("get", "--raw", "/api/v1/namespaces/"+k.ns+"/pods/one:8080/proxy/index.html"))
}

func expectPage(url, want string) error {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: waitLong}
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || string(body) != want {
		return fmt.Errorf("%s: %d %q %w", url, answer.StatusCode, body, err)
	}
	return nil
}

func copyFiles(k *kube) {
	k.create(sleeper("one"))
	k.ready("one")
	dir := k.t.TempDir()
	from := filepath.Join(dir, "tree")
	require.NoError(k.t, os.MkdirAll(filepath.Join(from, "deep"), 0o755))
	big := strings.Repeat("all hands on deck\n", 50_000)
	require.NoError(k.t, os.WriteFile(filepath.Join(from, "deep", "big"), []byte(big), 0o640))
	k.run("cp", from, k.ns+"/one:/tmp/there")
	require.Equal(k.t, fmt.Sprintf("%d /tmp/there/deep/big\n", len(big)), k.run("exec", "one", "--", "wc", "-c", "/tmp/there/deep/big"))
	k.run("cp", k.ns+"/one:/tmp/there/deep/big", filepath.Join(dir, "back"))
	back, err := os.ReadFile(filepath.Join(dir, "back"))
	require.NoError(k.t, err)
	require.Equal(k.t, big, string(back))
	_, _, _ = k.try("cp", k.ns+"/one:/none", filepath.Join(dir, "none")) // kubectl may end before it has said why
	require.NoFileExists(k.t, filepath.Join(dir, "none"))
}

func attach(k *kube) {
	k.create(pod("one", counting))
	k.ready("one")
	a := k.follow("attach", "one")
	a.prints("of one", 2)
	k.create(fmt.Sprintf(`---
{apiVersion: v1, kind: Pod, metadata: {name: parrot}, spec: {restartPolicy: Never, containers: [
  {name: main, image: %q, stdin: true, stdinOnce: true, command: [sh, -c, "while read l; do echo said $l; done"]}]}}`, image))
	k.ready("parrot")
	p := k.follow("attach", "-i", "parrot")
	p.write("ahoy\n")
	p.prints("said ahoy", 1)
	require.NoError(k.t, p.in.Close())
	k.becomes("Succeeded", "{.status.phase}", "pod", "parrot")
	require.Zero(k.t, p.exits())
}

func runPod(k *kube) {
	require.Equal(k.t, "pod/one created\n", k.run("run", "one", "--image="+image, "--restart=Never", "--command", "--", "sh", "-c", "echo once"))
	k.becomes("Succeeded", "{.status.phase}", "pod", "one")
	require.Equal(k.t, "once\n", k.run("logs", "one"))
	k.shows("Completed", "get", "pod", "one")
	out := k.input("ahoy\n", "run", "two", "--image="+image, "--rm", "-i", "--restart=Never", "--command", "--", "sh", "-c", "read l; echo said $l")
	require.Contains(k.t, out, "said ahoy")
	require.Contains(k.t, out, `pod "two" deleted`)
	require.Empty(k.t, k.run("get", "pod", "two", "--ignore-not-found"))
	out, complaint, err := k.try("run", "three", "--image="+image, "--attach", "--restart=Never", "--command", "--", "sh", "-c", "sleep 1; exit 4")
	require.ErrorContains(k.t, err, "exit status 4", out+complaint)
}

func debug(k *kube) {
	k.create(sleeper("one"))
	k.ready("one")
	s := k.terminal("debug", "-it", "one", "--image="+image, "--image-pull-policy=IfNotPresent", "--target=main", "-c", "doctor", "--", "sh")
	k.run("wait", "pod/one", "--for=jsonpath={.status.ephemeralContainerStatuses[0].state.running.startedAt}", "--timeout=60s")
	s.write("echo $((40+2)) here; ps | grep -c 3600[0]\n")
	s.prints("42 here", 1)
	s.prints("\r\n2\r\n", 1) // the shell of the other container with its command, and the sleep
	s.write("exit\n")
	s.exits()
	k.until("it has ended", func() error {
		return k.check("wait", "pod/one", "--for=jsonpath={.status.ephemeralContainerStatuses[0].state.terminated.exitCode}=0", "--timeout=5s")
	})
	k.run("exec", "one", "-c", "main", "--", "true")
	require.Equal(k.t, "0", k.jsonpath("{.status.containerStatuses[0].restartCount}", "pod", "one"))
	require.Contains(k.t, k.refused("patch", "pod", "one", "--subresource=ephemeralcontainers", "--type=merge", "-p", `{"spec":{"ephemeralContainers":[]}}`), "existing ephemeral containers")
}
