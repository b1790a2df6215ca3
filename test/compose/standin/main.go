// Command standin is what tests put in the place of programs that cannot be had
// without a registry:
//
//	standin grafana                  reads what Grafana is provisioned with, as Grafana does
//	standin forward LISTEN TARGET    passes TCP connections on
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "standin:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "grafana":
		server := &http.Server{Addr: ":3000", Handler: newGrafana(os.LookupEnv), ReadHeaderTimeout: 10 * time.Second}
		context.AfterFunc(ctx, func() { _ = server.Close() })
		return server.ListenAndServe()
	case len(args) == 3 && args[0] == "forward":
		return forward(ctx, args[1], args[2])
	}
	return fmt.Errorf("%q: want grafana, or forward LISTEN TARGET", args)
}

func forward(ctx context.Context, address, target string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	for {
		client, err := listener.Accept()
		if err != nil {
			return err
		}
		go pass(ctx, client, target)
	}
}

func pass(ctx context.Context, client net.Conn, target string) {
	defer client.Close()
	server, err := (&net.Dialer{}).DialContext(ctx, "tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(client, server)
}
