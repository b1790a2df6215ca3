package lab

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
)

// Monitoring asks the aggregator of the host and returns what it answers.
func (h *Host) Monitoring(path string) (text string, err error) {
	err = h.Do(func() error {
		text, err = get("127.0.0.1:8082", path)
		return err
	})
	return text, err
}

// get connects on the caller's thread, whose namespace it is meant for: a client
// of net/http would do so on another.
func get(address, path string) (string, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	r, err := http.NewRequest(http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return "", err
	}
	if err := r.Write(conn); err != nil {
		return "", err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, answer.Status, body)
	}
	return string(body), err
}
