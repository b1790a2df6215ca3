package observed

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Limits of termination messages, as Kubernetes documents them.
const (
	maxMessage      = 4096
	maxMessageLog   = 2048
	maxMessageLines = 80
)

// terminationMessage is what the exited container left: the end of its message
// file, or with FallbackToLogsOnError, when that is empty and the container
// failed, the end of its log.
func terminationMessage(status *runtimeapi.ContainerStatus) string {
	annotations := status.GetAnnotations()
	fallback := status.GetExitCode() != 0 && status.GetReason() != "ContainerCannotRun" &&
		annotations[annotationMessagePolicy] == string(v1.TerminationMessageFallbackToLogsOnError)
	if path := messageFile(status); path != "" {
		text, err := tail(path, maxMessage)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Sprintf("Error on reading termination log %s: %v", path, err)
		}
		if len(text) > 0 || !fallback {
			return string(text)
		}
	}
	if !fallback || status.GetLogPath() == "" {
		return ""
	}
	return lastOfLog(status.GetLogPath())
}

// messageFile is the host's path of the termination message, or "".
func messageFile(status *runtimeapi.ContainerStatus) string {
	path := status.GetAnnotations()[annotationMessagePath]
	if path == "" {
		return ""
	}
	if path[0] != '/' {
		path = "/" + path
	}
	for _, mount := range status.GetMounts() {
		if mount.GetContainerPath() == path {
			return mount.GetHostPath()
		}
	}
	return ""
}

// tail reads at most the last limit bytes of a regular file.
func tail(path string, limit int64) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	offset := max(info.Size()-limit, 0)
	return io.ReadAll(io.LimitReader(io.NewSectionReader(file, offset, limit), limit))
}

// lastOfLog is the text of the last lines of a CRI log file.
func lastOfLog(path string) string {
	// A log line has a prefix of about 45 bytes before its text.
	raw, err := tail(path, maxMessageLog+maxMessageLines*64)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		return fmt.Sprintf("Error on reading termination message from logs: %v", err)
	}
	return string(logText(raw))
}

// logText takes the texts out of CRI log lines: "TIME STREAM TAG TEXT". What is
// not such a line, as the first may be cut, is left out. At most the last
// maxMessageLines lines and maxMessageLog bytes remain.
func logText(raw []byte) []byte {
	lines := bytes.SplitAfter(raw, []byte{'\n'})
	var texts [][]byte
	for _, line := range lines {
		parts := bytes.SplitN(line, []byte{' '}, 4)
		if len(parts) != 4 || !isStream(parts[1]) {
			continue
		}
		text := parts[3]
		if bytes.HasPrefix(parts[2], []byte{'P'}) {
			text = bytes.TrimSuffix(text, []byte{'\n'})
		}
		texts = append(texts, text)
	}
	if len(texts) > maxMessageLines {
		texts = texts[len(texts)-maxMessageLines:]
	}
	joined := bytes.Join(texts, nil)
	if len(joined) > maxMessageLog {
		joined = joined[len(joined)-maxMessageLog:]
	}
	return joined
}

func isStream(word []byte) bool {
	return string(word) == "stdout" || string(word) == "stderr"
}
