package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// freeAddress is a loopback address nobody listens on now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// get asks an HTTP server and returns the body of a 200 answer.
func get(ctx context.Context, address, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %.300s", path, resp.Status, body)
	}
	return body, err
}

// ready waits until a program answers that it is.
func ready(ctx context.Context, p *process, address string) error {
	var last error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if err := p.alive(); err != nil {
			return err
		}
		if _, last = get(ctx, address, "/-/ready"); last == nil {
			return nil
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s is not ready: %w", p.name, last)
}

// ownMetrics are a program's metrics: the sum of all series of a name.
func ownMetrics(ctx context.Context, address string, names ...string) (map[string]float64, error) {
	body, err := get(ctx, address, "/metrics")
	if err != nil {
		return nil, err
	}
	all := map[string]float64{}
	lines := bufio.NewScanner(strings.NewReader(string(body)))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		for _, name := range names {
			rest, ok := strings.CutPrefix(lines.Text(), name)
			if !ok || rest == "" || rest[0] != ' ' && rest[0] != '{' {
				continue
			}
			v, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
			if err != nil {
				return nil, fmt.Errorf("metric %s: %w", name, err)
			}
			all[name] += v
		}
	}
	return all, lines.Err()
}

// committed counts the stored records of a tag by the API.
func committed(ctx context.Context, address, word string, from, to time.Time) (n int, err error) {
	body, err := get(ctx, address, fmt.Sprintf("/api/v1/logs/histogram?interval=1h&text=%s&start=%s&end=%s", word,
		from.UTC().Format(time.RFC3339Nano), to.UTC().Format(time.RFC3339Nano)))
	if err != nil {
		return 0, err
	}
	var h struct {
		Buckets []struct {
			Total int `json:"total"`
		} `json:"buckets"`
	}
	if err := json.Unmarshal(body, &h); err != nil {
		return 0, err
	}
	for _, b := range h.Buckets {
		n += b.Total
	}
	return n, nil
}
