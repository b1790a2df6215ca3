// Command pod is what runs in the pods of the tests of services:
//
//	pod serve         answers every request on port 8080 with its pod's name
//	pod await URL     asks a URL until it is answered, and prints the time then, in
//	                  nanoseconds since 1970
//	pod press URL     asks a URL at a constant rate until it is told to end, and
//	                  prints what became of it as JSON
//	pod compare LENGTH CLIENTS URL…
//	                  asks the URLs in turns, with so many clients at a time, and
//	                  prints for each what it found as a line of JSON
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/lubberline/lubberline/test/services/press"
)

const (
	drain = 5 * time.Second
	// pause is between two tries; a try takes no longer than bound.
	pause = 20 * time.Millisecond
	bound = time.Second
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "serve":
		return serve()
	case len(args) == 2 && args[0] == "await":
		return await(args[1])
	case len(args) == 2 && args[0] == "press":
		return pressUntilEnd(args[1])
	case len(args) > 3 && args[0] == "compare":
		return compare(args[1], args[2], args[3:])
	}
	return fmt.Errorf("arguments %q: want serve, await URL, press URL, or compare LENGTH CLIENTS URL…", args)
}

// serve answers until it is told to end, and then those requests that are under
// way.
func serve() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	server := &http.Server{Addr: ":8080", ReadHeaderTimeout: drain, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, name)
	})}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	return server.Shutdown(end)
}

func pressUntilEnd(url string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	p := press.Start(url)
	<-ctx.Done()
	return json.NewEncoder(os.Stdout).Encode(p.End())
}

// await keeps the last error, in case that it is killed.
func await(url string) error {
	client := http.Client{Timeout: bound, Transport: &http.Transport{DisableKeepAlives: true}}
	last := ""
	for ; ; time.Sleep(pause) {
		answer, err := client.Get(url)
		if err == nil && answer.StatusCode == http.StatusOK {
			fmt.Println(time.Now().UnixNano())
			return answer.Body.Close()
		}
		if err == nil {
			err = errors.Join(errors.New(answer.Status), answer.Body.Close())
		}
		if err.Error() != last {
			last = err.Error()
			fmt.Fprintln(os.Stderr, last)
		}
	}
}
